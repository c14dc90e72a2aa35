const socket = require("dgram").createSocket("udp4");

socket.on("message", (data, from) => socket.send(data, from.port, from.address));
socket.bind(0, "127.0.0.1", () => console.log(JSON.stringify({ port: socket.address().port })));

const net = require("net");

const server = net.createServer((sock) => {
  sock.on("data", (data) => sock.write(data));
  sock.on("error", () => {});
});
server.listen({ path: `/tmp/bench-${process.pid}.sock`, backlog: 1024 }, () =>
  console.log(JSON.stringify({ port: process.pid })));

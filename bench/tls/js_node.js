const fs = require("fs");
const tls = require("tls");

const options = { key: fs.readFileSync(process.env.BENCH_KEY), cert: fs.readFileSync(process.env.BENCH_CERT), noDelay: true };
const server = tls.createServer(options, (sock) => {
  sock.on("data", (data) => sock.write(data));
  sock.on("error", () => {});
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () =>
  console.log(JSON.stringify({ port: server.address().port })));

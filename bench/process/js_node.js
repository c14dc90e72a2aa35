const { spawn } = require("child_process");
const { args, start, report } = require("../common/bench.js");

const run = () => new Promise((done) => spawn("true", [], { stdio: "inherit" }).on("exit", done));

(async () => {
  const { total, width } = args;
  const t0 = start();
  let check = 0, left = total;
  const work = async () => {
    while (left > 0) {
      left--;
      if (await run() === 0) check++;
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  report(t0, total, check);
})();

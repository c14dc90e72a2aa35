const { args, start, report } = require("../common/bench.js");

async function failing(i) {
  await null; // to be a task at all
  throw new Error(`number ${i}`);
}

(async () => {
  const t0 = start();
  let caught = 0;
  for (let i = 1; i <= args.total; i++) {
    try {
      await failing(i);
    } catch (problem) {
      if (problem.stack) caught++;
    }
  }
  report(t0, args.total, caught);
})();

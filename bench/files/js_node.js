const fs = require("fs"), os = require("os"), path = require("path");
const { args, start, report } = require("../common/bench.js");
const { files, rounds, limit } = args;

(async () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "bench-"));
  for (let i = 0; i < files; i++) fs.writeFileSync(`${root}/${i}`, "x".repeat(1024));
  const t0 = start();
  let check = 0;
  for (let round = 0; round < rounds; round++) {
    let next = 0;
    const worker = async () => {
      while (next < files) {
        const text = await fs.promises.readFile(`${root}/${next++}`);
        check += text.length;
      }
    };
    await Promise.all(Array.from({ length: limit }, worker));
  }
  report(t0, files * rounds, check);
  fs.rmSync(root, { recursive: true });
})();

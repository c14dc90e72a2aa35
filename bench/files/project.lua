local neap, B = require "neap", require "bench"
local await, fs = neap.await, neap.fs
local files, rounds, at_once = B.args.files, B.args.rounds, B.args.limit

neap.run(function()
  local directory <close> = await(fs.temporary_directory())
  local root = directory.path
  for i = 1, files do await(fs.write_file(("%s/%d"):format(root, i), ("x"):rep(1024))) end
  local t0, check = B.start(), 0
  for _ = 1, rounds do
    local next, workers = 0, {}
    for w = 1, at_once do
      workers[w] = function()
        while next < files do
          next = next + 1
          local text = await(fs.read_file(("%s/%d"):format(root, next)))
          check = check + #text
        end
      end
    end
    await(neap.gather(workers))
  end
  B.report(t0, files * rounds, check)
end)

local neap = require "neap"
neap.run(function() end)

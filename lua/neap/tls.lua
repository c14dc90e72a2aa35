-- SPDX-License-Identifier: MIT
-- neap.tls: contexts. The streams find the rest by themselves; the classes of errors are neap's.
return { context = require "neap.tls.context".context }

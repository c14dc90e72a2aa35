-- SPDX-License-Identifier: MIT
-- neap.tls: contexts, and the classes of errors. The streams find the rest by themselves.
local context = require "neap.tls.context"

return {
  context = context.context,
  TLSError = context.TLSError,
  CertificateError = context.CertificateError,
  TLSEOFError = context.TLSEOFError,
}

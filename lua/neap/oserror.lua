-- SPDX-License-Identifier: MIT
-- What luv says of an error, "ENOENT: no such file: /x" or "ENOENT" alone, as an error object. The
-- texts are libuv's: luv's way to ask for them leaks memory for a number without a name.
local core = require "neap.core"

local texts = {
  E2BIG = "argument list too long",
  EACCES = "permission denied",
  EADDRINUSE = "address already in use",
  EADDRNOTAVAIL = "address not available",
  EAFNOSUPPORT = "address family not supported",
  EAGAIN = "resource temporarily unavailable",
  EAI_ADDRFAMILY = "address family not supported",
  EAI_AGAIN = "temporary failure",
  EAI_BADFLAGS = "bad ai_flags value",
  EAI_BADHINTS = "invalid value for hints",
  EAI_CANCELED = "request canceled",
  EAI_FAIL = "permanent failure",
  EAI_FAMILY = "ai_family not supported",
  EAI_MEMORY = "out of memory",
  EAI_NODATA = "no address",
  EAI_NONAME = "unknown node or service",
  EAI_OVERFLOW = "argument buffer overflow",
  EAI_PROTOCOL = "resolved protocol is unknown",
  EAI_SERVICE = "service not available for socket type",
  EAI_SOCKTYPE = "socket type not supported",
  EALREADY = "connection already in progress",
  EBADF = "bad file descriptor",
  EBUSY = "resource busy or locked",
  ECANCELED = "operation canceled",
  ECHARSET = "invalid Unicode character",
  ECONNABORTED = "software caused connection abort",
  ECONNREFUSED = "connection refused",
  ECONNRESET = "connection reset by peer",
  EDESTADDRREQ = "destination address required",
  EEXIST = "file already exists",
  EFAULT = "bad address in system call argument",
  EFBIG = "file too large",
  EFTYPE = "inappropriate file type or format",
  EHOSTDOWN = "host is down",
  EHOSTUNREACH = "host is unreachable",
  EILSEQ = "illegal byte sequence",
  EINTR = "interrupted system call",
  EINVAL = "invalid argument",
  EIO = "i/o error",
  EISCONN = "socket is already connected",
  EISDIR = "illegal operation on a directory",
  ELOOP = "too many symbolic links encountered",
  EMFILE = "too many open files",
  EMLINK = "too many links",
  EMSGSIZE = "message too long",
  ENAMETOOLONG = "name too long",
  ENETDOWN = "network is down",
  ENETUNREACH = "network is unreachable",
  ENFILE = "file table overflow",
  ENOBUFS = "no buffer space available",
  ENODEV = "no such device",
  ENOENT = "no such file or directory",
  ENOMEM = "not enough memory",
  ENONET = "machine is not on the network",
  ENOPROTOOPT = "protocol not available",
  ENOSPC = "no space left on device",
  ENOSYS = "function not implemented",
  ENOTCONN = "socket is not connected",
  ENOTDIR = "not a directory",
  ENOTEMPTY = "directory not empty",
  ENOTSOCK = "socket operation on non-socket",
  ENOTSUP = "operation not supported on socket",
  ENOTTY = "inappropriate ioctl for device",
  ENXIO = "no such device or address",
  EOF = "end of file",
  EOVERFLOW = "value too large for defined data type",
  EPERM = "operation not permitted",
  EPIPE = "broken pipe",
  EPROTO = "protocol error",
  EPROTONOSUPPORT = "protocol not supported",
  EPROTOTYPE = "protocol wrong type for socket",
  ERANGE = "result too large",
  EREMOTEIO = "remote I/O error",
  EROFS = "read-only file system",
  ESHUTDOWN = "cannot send after transport endpoint shutdown",
  ESOCKTNOSUPPORT = "socket type not supported",
  ESPIPE = "invalid seek",
  ESRCH = "no such process",
  ETIMEDOUT = "connection timed out",
  ETXTBSY = "text file is busy",
  EXDEV = "cross-device link not permitted",
}

local classes = {
  ECONNREFUSED = core.ConnectionRefusedError,
  ECONNRESET = core.ConnectionResetError,
  ECONNABORTED = core.ConnectionAbortedError,
  EPIPE = core.BrokenPipeError,
  ETIMEDOUT = core.TimeoutError,
}

-- error = oserror(reason [, what]): an OSError or one of its kin; a reason that is not luv's is given
-- back as it is.
return function(reason, what)
  if type(reason) ~= "string" then return reason end
  if reason:find "^Unknown system error 0" then reason = "ENOMEM" end -- luv's words when libuv could not begin
  local code, text = reason:match "^(E[A-Z0-9_]+): (.+)$"
  code = code or reason:match "^E[A-Z0-9_]+$"
  if not texts[code] then return reason end
  local class = classes[code] or (code:find "^EAI_" and core.ResolveError) or core.OSError
  return class(("%s%s (%s)"):format(what and what .. ": " or "", text or texts[code], code), { code = code })
end

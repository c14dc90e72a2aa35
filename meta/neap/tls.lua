---@meta
-- TLS: contexts. An optional module, neap.tls.core, on OpenSSL.

---@class neap
local neap = {}

---@class neap.tls
neap.tls = {}

---@class neap.tls.Context: userdata

---@class neap.tls.Session: userdata what a client takes up again with `tls_session`

---@class neap.TLSContextOptions
---@field cafile? string path of a file of certificates (PEM) to verify with
---@field capath? string path of a folder of them, named by their hashes (`openssl rehash`)
---@field cadata? string certificates themselves (PEM)
---@field default_certs? boolean the system's too; without any of those above clients verify with the system's alone
---@field certfile? string path of one's own certificate (PEM), then those that vouch for it
---@field certdata? string the same, itself
---@field keyfile? string path of its key (PEM); if it is not with the certificate
---@field keydata? string the same, itself
---@field password? string|fun(): string opens the key, if it is encrypted
---@field verify_mode? "none"|"optional"|"required" of the peer's certificate; clients "required", servers "none"
---@field check_hostname? boolean is a server's certificate of its host? (true, unless verify_mode is "none")
---@field minimum_version? "TLSv1"|"TLSv1.1"|"TLSv1.2"|"TLSv1.3" ("TLSv1.2")
---@field maximum_version? "TLSv1"|"TLSv1.1"|"TLSv1.2"|"TLSv1.3" (the latest)
---@field ciphers? string up to TLS 1.2, as OpenSSL writes them
---@field ciphersuites? string of TLS 1.3
---@field groups? string for the exchange of keys: "X25519:P-256"
---@field alpn_protocols? string[] those one speaks, best first: {"h2", "http/1.1"}
---@field num_tickets? integer sessions that a server offers each client of TLS 1.3 (2)
---@field sni? table<string, neap.tls.Context>|fun(name: string?): neap.tls.Context|false|nil of a server: the context for the name that the client asks for, or for "*.name"; else its own. The function may await; false refuses

---Makes a context: certificates, keys and rules, for any number of connections. A file is read at once, which blocks.
---
---Raises: an argument error for a field that it does not know, or of the wrong type; OSError for a file that cannot be
---read; TLSError for what is in it; RuntimeError when neap.tls.core is not installed, with what to do.
---Suspends: no. Python: ssl.create_default_context, SSLContext; the options have the names of its methods and fields.
---@param options? neap.TLSContextOptions
---@return neap.tls.Context
function neap.tls.context(options) end

---@class neap.TLSOptions of start_tls; open_connection and start_server take them beside their own
---@field server_hostname? string clients: whom the certificate must be of, an address too (the host)
---@field server_side? boolean start_tls only: the server's part of the handshake (false)
---@field tls_session? neap.tls.Session clients: to take up again, with the same context and for the same host
---@field tls_handshake_timeout? number seconds (60)
---@field tls_shutdown_timeout? number seconds that close() waits for the peer's close_notify (30)

---Makes a plain stream secure. Bytes that have come and were not read are the handshake's. What is written meanwhile
---leaves after it. A handshake that fails, or is cancelled, ends the connection.
---
---Raises: an argument error. (When awaited:) CertificateError, TLSError, TLSEOFError; ConnectionAbortedError when time
---is up; RuntimeError when a task is reading or the stream is secure already; other OSErrors of the stream.
---Suspends: awaiting it does.
---Cancellation: the stream is aborted.
---asyncio: StreamWriter.start_tls. Different: whether it is a server is to be said.
---@param context neap.tls.Context|true true: the default one, for clients
---@param options? neap.TLSOptions
---@return neap.awaitable
function neap.Stream:start_tls(context, options) end

---What went wrong in TLS.
---Python: ssl.SSLError.
---@class neap.TLSError: neap.OSError
---@field reason? string "WRONG_VERSION_NUMBER"
---@field library? string "SSL routines"
---@field number? integer OpenSSL's number of the error
---@overload fun(message?: any, fields?: table): neap.TLSError
neap.TLSError = {}

---The peer's certificate is not to be trusted.
---Python: ssl.SSLCertVerificationError.
---@class neap.CertificateError: neap.TLSError
---@field verify_code integer OpenSSL's: X509_V_ERR_...
---@field verify_message string "certificate has expired"
---@overload fun(message?: any, fields?: table): neap.CertificateError
neap.CertificateError = {}

---The connection ended without close_notify: somebody may have cut it short. `code` is "EOF".
---Python: ssl.SSLEOFError.
---@class neap.TLSEOFError: neap.TLSError
---@overload fun(message?: any, fields?: table): neap.TLSEOFError
neap.TLSEOFError = {}

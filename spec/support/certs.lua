-- Certificates for the specs of TLS, made by the openssl command in a temporary folder, once a process: busted
-- insulates spec files from each other. spec/support/helper.lua removes it.
-- certs.path(name), certs.read(name); names: ca other_ca server a_test b_test client stranger selfsigned expired future
-- chain (with its intermediate), each a .pem and a .key; locked.key wants the password "sesame".
local certs = {}

local script = [[
set -e
cd "$1"
ec="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
cat >conf <<'END'
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
email_in_dn = no
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
subjectAltName = ${ENV::NAMES}
END
export NAMES=DNS:unused.test
: >index
echo 1000 >serial
authority() {
  openssl req -x509 $ec -config conf -extensions authority -days 2 -subj "/CN=$2" -keyout $1.key -out $1.pem
}
signed() { # signed NAME SUBJECT NAMES AUTHORITY SECTION [dates]
  name=$1 subject=$2 names=$3 by=$4 section=$5
  shift 5
  [ $# -gt 0 ] || set -- -days 2
  openssl req -new $ec -config conf -subj "$subject" -keyout $name.key -out $name.csr
  NAMES=$names openssl ca -batch -notext -config conf -cert $by.pem -keyfile $by.key -extensions $section \
    "$@" -in $name.csr -out $name.pem
}
authority ca 'neap spec authority'
authority other_ca 'another authority'
signed server /CN=localhost 'DNS:localhost,DNS:*.wild.test,IP:127.0.0.1,IP:::1' ca leaf
signed a_test /CN=a.test DNS:a.test ca leaf
signed b_test /CN=b.test DNS:b.test ca leaf
signed client /CN=somebody email:somebody@client.test ca leaf
signed stranger /CN=stranger DNS:localhost other_ca leaf
signed expired /CN=localhost DNS:localhost ca leaf -startdate 20200101000000Z -enddate 20200102000000Z
signed future /CN=localhost DNS:localhost ca leaf -startdate 20900101000000Z -enddate 20910101000000Z
signed named_only /CN=localhost DNS:elsewhere.test ca leaf
signed middle '/CN=intermediate authority' DNS:none ca authority
signed chain_leaf /CN=localhost DNS:localhost middle leaf
cat chain_leaf.pem middle.pem >chain.pem
cp chain_leaf.key chain.key
cat server.pem server.key >both.pem
NAMES=DNS:localhost openssl req -x509 $ec -config conf -extensions leaf -days 2 -subj /CN=localhost \
  -keyout selfsigned.key -out selfsigned.pem
openssl ec -in server.key -aes128 -passout pass:sesame -out locked.key
mkdir -p folder
cp ca.pem folder/$(openssl x509 -in ca.pem -noout -hash).0
]]

certs.folder = ("%s/neap-spec-%d"):format(os.getenv "TMPDIR" or "/tmp", require "luv".os_getpid())

local function make()
  local folder = certs.folder
  local command = "mkdir -m 700 %s && sh -s %s <<'END_OF_SCRIPT' 2>&1\n%s\ntouch $1/done\nEND_OF_SCRIPT\necho status $?"
  local pipe = io.popen(command:format(folder, folder, script))
  local out = pipe:read "a"
  pipe:close()
  if not out:find "status 0\n$" then error("certificates: " .. out, 0) end
end

local made

-- path = certs.path(name): of a file, "server.pem"
function certs.path(name)
  if not made then
    local file = io.open(certs.folder .. "/done")
    if file then file:close() else make() end
    made = true
  end
  return certs.folder .. "/" .. name
end

function certs.read(name)
  local file = assert(io.open(certs.path(name), "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- options for neap.tls.context: the certificate and key of a name
function certs.own(name, options)
  options = options or {}
  options.certfile, options.keyfile = certs.path(name .. ".pem"), certs.path(name .. ".key")
  return options
end

-- why not, if there is no module or no openssl command
function certs.missing()
  if not pcall(require, "neap.tls.core") then return "neap.tls.core is not built" end
  local pipe = io.popen "openssl version 2>/dev/null"
  local found = pipe:read "l"
  pipe:close()
  return not found and "no openssl command" or nil
end

return certs

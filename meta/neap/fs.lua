---@meta
-- Files and directories.

---@class neap
local neap = {}

---@alias neap.Permissions integer|string 420, "644" or "rw-r--r--"

---@class neap.FileOptions
---@field permissions? neap.Permissions of a file that is made, less the umask ("rw-rw-rw-")
---@field buffer? integer bytes that are read ahead, and that may wait to be written (65536); 0: neither

---Opens a file. Modes are those of `io.open`: "r", "w", "a", each also with "+", and with "b", which means
---nothing; "wx", "ax" and their "+" fail if the file exists, "x" is "wx".
---
---Raises: an argument error; when awaited an OSError: ENOENT, EACCES, EISDIR, EEXIST, EMFILE and others. A
---directory can be opened for reading; reading it raises EISDIR.
---Suspends: awaiting it does. Opening a named pipe lasts, in one of libuv's threads, until its other end is opened.
---Cancellation: a file that is opened later is closed again.
---asyncio: has no files; Python's open.
---@param path string
---@param mode? string ("r")
---@param options? neap.FileOptions
---@return neap.Coroutine awaiting it gives a neap.File
function neap.open(path, mode, options) end

---An open file. What is done with it happens in the order in which it is awaited, `write` and `close` in that in
---which they are called, one after the other; any number of tasks may use it. It has one position, for reading
---and writing. Closed by `<close>`, which waits until it is closed. `path` is the path it was opened with. One that is
---collected is closed, and reported in debug mode.
---
---All its methods raise at once, besides argument errors, ValueError when it is closed or not open for that; and when
---awaited the error of an earlier write that nobody has been told, once.
---@class neap.File
---@field path string
neap.File = {}

---Reads. A number of bytes: so many, fewer only before the end of the file, or of a pipe or terminal what has
---come; 0: "", nil at the end. "l": a line without its end; "L": with it; "n": a number, as `io` reads it. "a", -1 or nothing:
---all until the end. At the end it gives nil, or "" for "a". Several formats: one after the other, until one gives nil.
---
---Raises (when awaited): OSError; ValueError when the file is closed meanwhile.
---Suspends: awaiting it does, unless what is asked for has been read ahead.
---Cancellation: no byte is lost, the position stays.
---asyncio: StreamReader.read. Different: Lua's formats, nil at the end; see docs/files.md.
---@param ... integer|"a"|"l"|"L"|"n"
---@return neap.Coroutine awaiting it gives string|number|nil for each format
function neap.File:read(...) end

---As `read "L"`: a line with its end; the last one may be without; nil at the end.
---
---Raises (when awaited): as `read`.
---Suspends: awaiting it does, unless the line has been read ahead.
---Cancellation: as `read`.
---asyncio: StreamReader.readline. Different: nil at the end.
---@return neap.Coroutine awaiting it gives string?
function neap.File:readline() end

---Reads exactly so many bytes.
---
---Raises (when awaited): IncompleteReadError with `partial` and `expected` when the file ends before; as `read`.
---Suspends: awaiting it does, unless they have been read ahead.
---Cancellation: as `read`.
---asyncio: StreamReader.readexactly.
---@param n integer bytes
---@return neap.Coroutine awaiting it gives string
function neap.File:readexactly(n) end

---Reads up to and with the separator, or the one of several that ends first. There is no limit.
---
---Raises (when awaited): IncompleteReadError with `partial` when the file ends before; as `read`.
---Suspends: awaiting it does, unless it has been read ahead.
---Cancellation: as `read`.
---asyncio: StreamReader.readuntil.
---@param separator? string|string[] ("\n")
---@return neap.Coroutine awaiting it gives string
function neap.File:readuntil(separator) end

---For a generic `for`: what `read` gives for the format, until nil. The file stays open.
---
---Raises (in the loop): as `read`.
---Suspends: each turn of the `for` may.
---Cancellation: as `read`.
---asyncio: async for line in reader.
---@param format? integer|"l"|"L"|"n" ("l")
---@return fun(): string|number|nil
function neap.File:lines(format) end

---Writes strings and numbers at the position, or at the end for "a", also if nobody awaits. Awaiting it waits while
---more than the buffer's size has not been written; with a buffer of 0, until all is written.
---
---Raises (when awaited): OSError: ENOSPC, EDQUOT, EIO, EFBIG. The error of what is written later is raised by whatever is
---awaited next, `flush`, `sync` and `close` included; until then nothing more is written.
---Suspends: no; awaiting it does while too much waits.
---Cancellation: what was written is written all the same.
---asyncio: StreamWriter.write, with drain when awaited.
---@param ... string|number
---@return any awaitable, any number of times
function neap.File:write(...) end

---As `write` with the elements of a list.
---
---Raises: as `write`.
---Suspends: as `write`.
---Cancellation: as `write`.
---asyncio: StreamWriter.writelines.
---@param list (string|number)[]
---@return any awaitable
function neap.File:writelines(list) end

---Waits until the system has all that was written before.
---
---Raises (when awaited): OSError, the error of a write.
---Suspends: awaiting it does, unless nothing waits.
---Cancellation: no effect on what is written.
---asyncio: Python's file.flush.
---@return neap.Coroutine
function neap.File:flush() end

---Sets the position, as Lua's `file:seek`.
---
---Raises (when awaited): OSError: EINVAL before the beginning, ESPIPE for pipes and terminals.
---Suspends: awaiting it does, for "end" and while others use the file.
---Cancellation: the position stays.
---asyncio: Python's file.seek.
---@param whence? "set"|"cur"|"end" ("cur")
---@param offset? integer bytes (0)
---@return neap.Coroutine awaiting it gives the position, in bytes from the beginning
function neap.File:seek(whence, offset) end

---The position. After something was appended it is the end.
---
---Raises (when awaited): OSError: ESPIPE for pipes and terminals.
---Suspends: awaiting it may.
---Cancellation: no effect.
---asyncio: Python's file.tell.
---@return neap.Coroutine awaiting it gives bytes from the beginning
function neap.File:tell() end

---Cuts the file, or fills it with zeros, to so many bytes. The position stays.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's file.truncate.
---@param size? integer bytes (the position)
---@return neap.Coroutine awaiting it gives the size
function neap.File:truncate(size) end

---Waits until the device has all that was written before, and what describes the file.
---
---Raises (when awaited): OSError: EIO, ENOSPC, EINVAL for what cannot be synchronised.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on; its error is lost.
---asyncio: Python's os.fsync.
---@return neap.Coroutine
function neap.File:sync() end

---As `sync`, without times and the like that are not needed to read the data.
---
---Raises (when awaited): as `sync`.
---Suspends: awaiting it does.
---Cancellation: as `sync`.
---asyncio: Python's os.fdatasync.
---@return neap.Coroutine
function neap.File:datasync() end

---What the system knows of the open file: see neap.Stat.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.fstat.
---@return neap.Coroutine awaiting it gives neap.Stat
function neap.File:stat() end

---The number of the descriptor, for `neap.uv` and others; nil once it is being closed.
---Suspends: no. asyncio: Python's file.fileno.
---@return integer?
function neap.File:fileno() end

---Suspends: no. asyncio: StreamWriter.is_closing.
---@return boolean
function neap.File:is_closing() end

---Closes the file, once the running request has ended and all that was written is in it, also if nobody awaits. Who
---waits for a read or anything else is woken with ValueError. Closing again does nothing.
---
---Raises (when awaited): OSError: the error of an earlier write, or of closing.
---Suspends: no; awaiting it does, until it is closed. A read of a pipe or terminal that nobody feeds lasts.
---Cancellation: it is closed all the same.
---asyncio: StreamWriter.close and wait_closed.
---@return any awaitable, any number of times
function neap.File:close() end

---Files and directories by their names. Paths are strings without zero bytes; a wrong argument is an argument error, at
---once. What is awaited raises an OSError with the path in its message and libuv's name in `code`.
---@class neap.fs
neap.fs = {}

---The content of a file.
---
---Raises (when awaited): OSError: ENOENT, EACCES, EISDIR and others.
---Suspends: awaiting it does.
---Cancellation: the file is closed.
---asyncio: Python's Path.read_bytes.
---@param path string
---@return neap.Coroutine awaiting it gives string
function neap.fs.read_file(path) end

---@class neap.WriteFileOptions
---@field permissions? neap.Permissions of a file that is made, less the umask ("rw-rw-rw-")
---@field atomic? boolean the file is replaced as a whole, by renaming one beside it (false); write_file only
---@field sync? boolean wait for the device (false; true with `atomic`)

---Makes or replaces a file. With `atomic` everybody sees the old content or the new one, whatever happens; the new
---file keeps the old one's permissions, but not its owner, nor other names it has; a symbolic link stays, and what it names is replaced.
---
---Raises (when awaited): OSError: EACCES, ENOSPC, EISDIR and others.
---Suspends: awaiting it does.
---Cancellation: the file is closed with what is in it; with `atomic` either nothing has changed or all is done.
---asyncio: Python's Path.write_bytes.
---@param path string
---@param data string|number|(string|number)[]
---@param options? neap.WriteFileOptions
---@return neap.Coroutine
function neap.fs.write_file(path, data, options) end

---Writes at the end of a file, which is made if there is none.
---
---Raises (when awaited): as `write_file`.
---Suspends: awaiting it does.
---Cancellation: the file is closed with what is in it.
---asyncio: Python's open(path, "ab").
---@param path string
---@param data string|number|(string|number)[]
---@param options? neap.WriteFileOptions
---@return neap.Coroutine
function neap.fs.append_file(path, data, options) end

---For a generic `for`: what File:read gives for the format. The file is opened in the first turn and closed when the
---loop ends, however it ends.
---
---Raises (in the loop): OSError.
---Suspends: each turn of the `for` may.
---Cancellation: the file is closed.
---asyncio: Python's `for line in open(path)`.
---@param path string
---@param format? integer|"l"|"L"|"n" ("l")
---@return fun(): string|number|nil
function neap.fs.lines(path, format) end

---@class neap.Time
---@field sec integer seconds since 1970
---@field nsec integer nanoseconds on top

---@class neap.Stat
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"|"unknown"
---@field size integer bytes
---@field mode integer type and permissions
---@field uid integer
---@field gid integer
---@field ino integer
---@field dev integer
---@field nlink integer
---@field rdev integer
---@field blocks integer of 512 bytes
---@field blksize integer bytes
---@field atime neap.Time
---@field mtime neap.Time
---@field ctime neap.Time
---@field birthtime neap.Time

---What the system knows of a file; links are followed.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.stat.
---@param path string
---@return neap.Coroutine awaiting it gives neap.Stat
function neap.fs.stat(path) end

---As `stat`, of a link itself.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.lstat.
---@param path string
---@return neap.Coroutine awaiting it gives neap.Stat
function neap.fs.lstat(path) end

---Is there anything? Links are followed.
---
---Raises (when awaited): OSError when that cannot be known: EACCES, ELOOP, ENAMETOOLONG.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.path.exists. Different: it raises what is not an answer.
---@param path string
---@return neap.Coroutine awaiting it gives boolean
function neap.fs.exists(path) end

---May this process read, write or execute it? To be asked for messages, not for safety: it may change.
---
---Raises (when awaited): OSError other than those that mean no.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.access.
---@param path string
---@param mode? string letters of "rwx" (""): is it there?
---@return neap.Coroutine awaiting it gives boolean
function neap.fs.access(path, mode) end

---@class neap.FileSystem
---@field type integer
---@field bsize integer bytes of a block
---@field blocks integer
---@field bfree integer blocks
---@field bavail integer blocks that are free for all
---@field files integer
---@field ffree integer

---The file system that the path is in.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.statvfs.
---@param path string
---@return neap.Coroutine awaiting it gives neap.FileSystem
function neap.fs.statfs(path) end

---The names in a directory, without "." and "..", in the order of their bytes.
---
---Raises (when awaited): OSError: ENOENT, ENOTDIR, EACCES.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.listdir.
---@param path string
---@return neap.Coroutine awaiting it gives string[]
function neap.fs.listdir(path) end

---For a generic `for`: the names in a directory and what they are, as in neap.Stat's type, "unknown" where the file
---system does not tell. All is read in the first turn.
---
---Raises (in the loop): as `listdir`.
---Suspends: the first turn of the `for` does.
---Cancellation: no effect.
---asyncio: Python's os.scandir.
---@param path string
---@return fun(): string?, string?
function neap.fs.scandir(path) end

---@class neap.WalkOptions
---@field topdown? boolean a directory comes before those in it (true); names taken out of `directories` are not gone into
---@field follow? boolean links to directories are gone into (false); a loop of links ends with ELOOP
---@field on_error? fun(problem: any, path: string) called when a directory cannot be read; without it that raises

---For a generic `for`: each directory of a tree, with the names of the directories and of everything else in it. One
---request at a time.
---
---Raises (in the loop): OSError, without `on_error`.
---Suspends: each turn of the `for` does.
---Cancellation: no effect.
---asyncio: Python's os.walk. Different: without `on_error` it raises.
---@param path string
---@param options? neap.WalkOptions
---@return fun(): string?, string[], string[] path, directories, files
function neap.fs.walk(path, options) end

---@class neap.MkdirOptions
---@field permissions? neap.Permissions less the umask ("rwxrwxrwx")
---@field parents? boolean make those above it too (false)
---@field exist_ok? boolean a directory that is there already is no error (false)

---Makes a directory.
---
---Raises (when awaited): OSError: EEXIST, ENOENT, EACCES and others.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's Path.mkdir.
---@param path string
---@param options? neap.MkdirOptions
---@return neap.Coroutine
function neap.fs.mkdir(path, options) end

---As `mkdir` with `parents` and `exist_ok`.
---
---Raises (when awaited): as `mkdir`.
---Suspends: awaiting it does.
---Cancellation: as `mkdir`.
---asyncio: Python's os.makedirs.
---@param path string
---@param options? {permissions: neap.Permissions?}
---@return neap.Coroutine
function neap.fs.makedirs(path, options) end

---Gives a file or directory another name, and replaces a file of that name.
---
---Raises (when awaited): OSError: ENOENT, EXDEV between file systems and others.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.replace.
---@param path string
---@param to string
---@return neap.Coroutine
function neap.fs.rename(path, to) end

---Removes a file or a link.
---
---Raises (when awaited): OSError: ENOENT, EISDIR, EACCES.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.remove.
---@param path string
---@return neap.Coroutine
function neap.fs.remove(path) end

---Removes an empty directory.
---
---Raises (when awaited): OSError: ENOTEMPTY, ENOENT, ENOTDIR.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.rmdir.
---@param path string
---@return neap.Coroutine
function neap.fs.rmdir(path) end

---Removes a directory and all in it, at most four requests at once. Links in it are removed, not followed. It is not safe
---against somebody who puts links into the tree meanwhile.
---
---Raises (when awaited): OSError: the first one, after which it stops; ENOTDIR for a link.
---Suspends: awaiting it does.
---Cancellation: it stops; what has begun goes on.
---asyncio: Python's shutil.rmtree.
---@param path string
---@param options? {ignore_errors: boolean?}
---@return neap.Coroutine
function neap.fs.rmtree(path, options) end

---Copies a file, with its permissions, without its bytes passing through Lua, in one request, which has one of libuv's
---threads until it is done.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's shutil.copy.
---@param path string
---@param to string the name of the copy, not a directory
---@param options? {exclusive: boolean?} `exclusive`: a file that is there is an error (false)
---@return neap.Coroutine
function neap.fs.copy(path, to, options) end

---Gives a file a second name.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.link.
---@param path string
---@param to string
---@return neap.Coroutine
function neap.fs.link(path, to) end

---Makes a symbolic link at `path`.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.symlink.
---@param target string what it names
---@param path string
---@return neap.Coroutine
function neap.fs.symlink(target, path) end

---What a symbolic link names.
---
---Raises (when awaited): OSError: EINVAL if it is none.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.readlink.
---@param path string
---@return neap.Coroutine awaiting it gives string
function neap.fs.readlink(path) end

---The path from the root, without links.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: no effect.
---asyncio: Python's os.path.realpath. Different: the file must be there.
---@param path string
---@return neap.Coroutine awaiting it gives string
function neap.fs.realpath(path) end

---Sets the permissions.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.chmod.
---@param path string
---@param permissions neap.Permissions
---@return neap.Coroutine
function neap.fs.chmod(path, permissions) end

---Sets the owner.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.chown.
---@param path string
---@param uid integer -1: as it is
---@param gid integer -1: as it is
---@return neap.Coroutine
function neap.fs.chown(path, uid, gid) end

---Sets the times.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: a request that has begun goes on.
---asyncio: Python's os.utime.
---@param path string
---@param accessed? number seconds since 1970 (now)
---@param modified? number seconds since 1970 (as `accessed`)
---@return neap.Coroutine
function neap.fs.utime(path, accessed, modified) end

---Makes and opens, as "w+", a file whose name nobody else has, for its owner alone. It stays.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: the file is removed.
---asyncio: Python's tempfile.mkstemp.
---@param template string a path that ends in "XXXXXX", which is replaced
---@return neap.Coroutine awaiting it gives a neap.File, with the name in `path`
function neap.fs.mkstemp(template) end

---Makes a directory whose name nobody else has, for its owner alone. It stays.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: the directory is removed.
---asyncio: Python's tempfile.mkdtemp.
---@param template string a path that ends in "XXXXXX", which is replaced
---@return neap.Coroutine awaiting it gives its path
function neap.fs.mkdtemp(template) end

---@class neap.TemporaryOptions
---@field dir? string where (TMPDIR, or /tmp)
---@field prefix? string of the name ("neap-")

---As `mkstemp`; the file is removed when it is closed or collected.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: the file is removed.
---asyncio: Python's tempfile.NamedTemporaryFile.
---@param options? neap.TemporaryOptions
---@return neap.Coroutine awaiting it gives a neap.File
function neap.fs.temporary_file(options) end

---As `mkdtemp`, as an object: `path`, `close()`, which gives an awaitable that removes the directory and all in it,
---and `<close>`, which does that.
---
---Raises (when awaited): OSError.
---Suspends: awaiting it does.
---Cancellation: the directory is removed. Of closing: what is left stays.
---asyncio: Python's tempfile.TemporaryDirectory. Different: one that is collected stays.
---@param options? neap.TemporaryOptions
---@return neap.Coroutine awaiting it gives {path: string, close: fun(self): neap.Coroutine}
function neap.fs.temporary_directory(options) end

---@class neap.WatchOptions
---@field recursive? boolean all directories below it too (false)
---@field poll? number seconds: ask for the stat so often instead of having the system tell
---@field queue? integer events that may wait (1024)

---@class neap.WatchEvent
---@field kind "rename"|"change"|"overflow"|"gone"|"error"
---@field path string of what it is about: begins as the path that is watched
---@field name string the same, from the directory that is watched; "" for that itself
---@field lost integer? of "overflow": how many events there was no room for; nil: the system does not know
---@field error any of "error"

---Watches a directory, or a file, which may be replaced, or not be there yet. For a generic `for`, which closes it when it
---ends; or for a variable, with `<close>`, that is called for the next event: `for event in watch do`, `watch()`.
---
---Kinds: "rename": something of that name came, went or was replaced; "change": its content or attributes changed;
---"overflow": events were lost, look for yourself; "gone": the directory watched, or the one the file is in, was deleted or moved,
---and no more events come; "error": a directory of the tree cannot be watched. An event that waits stands for all of
---the same kind and path that came since.
---
---Raises: at once OSError: ENOENT when there is no directory to watch; ENOSPC or EMFILE when the system's limit of watches
---is reached.
---Suspends: no; asking for an event does while there is none.
---Cancellation: no event is lost.
---asyncio: has none; libuv's uv_fs_event and uv_fs_poll.
---@param path string
---@param options? neap.WatchOptions
---@return neap.Watch
function neap.watch(path, options) end

---What `neap.watch` gives: a function of no arguments, for the generic `for`. Several tasks may ask; each event goes to
---one of them. Closed by `<close>`; one that is collected is closed, and reported in debug mode.
---@class neap.Watch
---@overload fun(): neap.WatchEvent?
neap.Watch = {}

---Waits until all directories that a recursive watch found at its beginning are watched.
---
---Suspends: awaiting it does, unless that is so.
---Cancellation: no effect on the watch.
---asyncio: none.
---@return neap.Coroutine
function neap.Watch:ready() end

---Ends it: who waits for an event gets nil, those that wait are dropped.
---Suspends: no. asyncio: none.
function neap.Watch:close() end

---Suspends: no. asyncio: none.
---@return boolean
function neap.Watch:is_closing() end

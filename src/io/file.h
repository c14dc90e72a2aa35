/* SPDX-License-Identifier: MIT
 * Streams of what cannot be polled: regular files, and devices as /dev/null. libuv's threads read and write
 * them, one request a direction at a time, from where the descriptor stands. */
#ifndef NEAP_IO_FILE_H
#define NEAP_IO_FILE_H

#include "io/stream.h"

struct File *file_new(Stream *stream, int fd); /* a block; NULL: no memory */
int file_fd(const Stream *stream);
int file_read(Stream *stream);    /* a uv status; on_file_read gives it to read_take */
int file_write(Stream *stream);   /* `flight`; when it is gone it calls write_done */
void file_shut(Stream *stream);   /* closes when nothing is under way */
void file_orphan(Stream *stream); /* the Lua state closes, or neap in it: the same without a job */

#endif

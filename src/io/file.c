/* SPDX-License-Identifier: MIT */
#include "io/file.h"

#include <unistd.h>

#include "base/memory.h"

struct File {
  Stream *stream;   /* borrowed: it owns this */
  Handles *handles; /* held by each request under way */
  uv_fs_t in, out;
  bool reading, writing; /* a request is under way */
  int fd;
  char *slab; /* block of SLAB_SIZE, while reading */
  Job job;    /* closes */
};

static void finish(struct File *file) {
  Stream *stream = file->stream;
  list_remove(&file->job.link);
  close(file->fd);
  stream->file = NULL;
  memory_delete(file);
  stream_closed(stream);
}

static void on_finish(Core *core, Job *job) {
  UNUSED(core);
  finish(container_of(job, struct File, job));
}

struct File *file_new(Stream *stream, int fd) {
  struct File *file = memory_new(sizeof *file);
  if (!file) return NULL;
  file->stream = stream;
  file->handles = stream->core->handles;
  file->fd = fd;
  file->job.run = on_finish;
  list_create(&file->job.link);
  return file;
}

int file_fd(const Stream *stream) { return stream->file->fd; }

static void settle(struct File *file) {
  if (file->reading || file->writing) return;
  if (file->stream->io && !file->stream->core->closed)
    job_post(file->stream->core, &file->job);
  else
    finish(file);
}

void file_shut(Stream *stream) {
  struct File *file = stream->file;
  if (file->reading) uv_cancel((uv_req_t *)&file->in);
  if (file->writing) uv_cancel((uv_req_t *)&file->out);
  if (stream->io) settle(file);
}

void file_orphan(Stream *stream) {
  struct File *file = stream->file;
  list_remove(&file->job.link);
  if (!file->reading && !file->writing) finish(file);
}

static ssize_t request_end(struct File *file, uv_fs_t *request) {
  ssize_t result = request->result;
  uv_fs_req_cleanup(request);
  handles_release(file->handles);
  return result;
}

static void on_file_read(uv_fs_t *request) {
  struct File *file = container_of(request, struct File, in);
  Stream *stream = file->stream;
  char *slab = file->slab;
  ssize_t size = request_end(file, request);
  file->slab = NULL;
  file->reading = false;
  if (stream->shut) {
    io_slab_give(stream->io, slab);
    settle(file);
    return;
  }
  read_take(stream, slab, size);
  if (!stream->reading || stream->shut) return;
  int status = file_read(stream);
  if (status < 0) stream_fail(stream, status);
}

int file_read(Stream *stream) {
  struct File *file = stream->file;
  if (file->reading) return 0;
  file->slab = io_slab_take(stream->io);
  if (!file->slab) return UV_ENOMEM;
  uv_buf_t buf = {.base = file->slab, .len = SLAB_SIZE};
  int status = uv_fs_read(stream->core->loop, &file->in, file->fd, &buf, 1, -1, on_file_read);
  if (status < 0) {
    io_slab_give(stream->io, file->slab);
    file->slab = NULL;
    return status;
  }
  handles_hold(file->handles);
  file->reading = true;
  return 0;
}

static void on_file_written(uv_fs_t *request) {
  struct File *file = container_of(request, struct File, out);
  Stream *stream = file->stream;
  ssize_t size = request_end(file, request);
  file->writing = false;
  if (stream->shut) {
    settle(file);
    return;
  }
  if (size > 0) buffer_consume(&stream->flight, (size_t)size);
  if (size >= 0 && buffer_size(&stream->flight) > 0) size = file_write(stream);
  if (!file->writing) write_done(stream, size < 0 ? (int)size : 0);
}

int file_write(Stream *stream) {
  struct File *file = stream->file;
  uv_buf_t buf = {.base = buffer_data(&stream->flight), .len = buffer_size(&stream->flight)};
  int status = uv_fs_write(stream->core->loop, &file->out, file->fd, &buf, 1, -1, on_file_written);
  if (status < 0) return status;
  handles_hold(file->handles);
  file->writing = true;
  return 0;
}

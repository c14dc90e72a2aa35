/* SPDX-License-Identifier: MIT
 * libuv, reached through a table. A process must have one libuv: Debian's luv uses the shared one,
 * the LuaRocks luv carries its own. So this module links neither; when it is loaded it fills the
 * table from the very object that initialised luv's loop. Built with NEAP_LINK_UV (embedding) the
 * names are libuv's own. Include this, never <uv.h>. */
#ifndef NEAP_KERNEL_UV_TABLE_H
#define NEAP_KERNEL_UV_TABLE_H

#include <stdbool.h>
#include <uv.h>

/* The libuv this module needs at least: 1.44. Later functions are not used. */
#define UV_TABLE_MINIMUM ((1 << 16) | (44 << 8))

/* Fills the table from the object that owns `loop`. NULL, or why it cannot be done. */
const char *uv_table_open(const uv_loop_t *loop);

#ifndef NEAP_LINK_UV

#define UV_TABLE(X)                                                                                \
  X(uv_version) X(uv_version_string) X(uv_loop_size) X(uv_handle_size) X(uv_req_size)              \
  X(uv_run) X(uv_stop) X(uv_loop_alive) X(uv_hrtime) X(uv_now) X(uv_update_time)                   \
  X(uv_close) X(uv_is_closing) X(uv_is_active) X(uv_ref) X(uv_unref) X(uv_walk)                    \
  X(uv_idle_init) X(uv_idle_start) X(uv_idle_stop)                                                 \
  X(uv_check_init) X(uv_check_start) X(uv_check_stop)                                              \
  X(uv_prepare_init) X(uv_prepare_start) X(uv_prepare_stop)                                        \
  X(uv_timer_init) X(uv_timer_start) X(uv_timer_stop)                                              \
  X(uv_async_init) X(uv_async_send) X(uv_strerror) X(uv_err_name)                                  \
  X(uv_tcp_init) X(uv_tcp_open) X(uv_tcp_bind) X(uv_tcp_connect) X(uv_tcp_nodelay)                 \
  X(uv_tcp_keepalive) X(uv_tcp_getsockname) X(uv_tcp_getpeername) X(uv_tcp_close_reset)            \
  X(uv_read_start) X(uv_read_stop) X(uv_write) X(uv_try_write)                                     \
  X(uv_shutdown) X(uv_fileno) X(uv_getaddrinfo) X(uv_freeaddrinfo) X(uv_getnameinfo) X(uv_cancel)  \
  X(uv_ip4_addr) X(uv_ip6_addr) X(uv_ip4_name) X(uv_ip6_name) X(uv_replace_allocator)              \
  X(uv_mutex_init) X(uv_mutex_destroy) X(uv_mutex_lock) X(uv_mutex_trylock) X(uv_mutex_unlock)     \
  X(uv_queue_work) X(uv_poll_init) X(uv_poll_start) X(uv_poll_stop)                                \
  X(uv_backend_fd) X(uv_backend_timeout) X(uv_loop_fork)                                           \
  X(uv_spawn) X(uv_process_kill)                                                                  \
  X(uv_fs_read) X(uv_fs_write) X(uv_fs_req_cleanup) X(uv_pipe_init) X(uv_pipe_open) X(uv_pipe) X(uv_socketpair)\
  X(uv_signal_init) X(uv_signal_start) X(uv_signal_stop)                                           \
  X(uv_udp_init_ex) X(uv_udp_open) X(uv_udp_bind) X(uv_udp_connect) X(uv_udp_getsockname)          \
  X(uv_udp_getpeername)                                                                            \
  X(uv_udp_set_membership) X(uv_udp_set_source_membership) X(uv_udp_set_multicast_loop)            \
  X(uv_udp_set_multicast_ttl) X(uv_udp_set_multicast_interface) X(uv_udp_set_broadcast)            \
  X(uv_udp_set_ttl) X(uv_udp_send) X(uv_udp_try_send) X(uv_udp_recv_start) X(uv_udp_recv_stop)     \
  X(uv_send_buffer_size) X(uv_recv_buffer_size)

#define UV_TABLE_FIELD(name) __typeof__(name) *name##_;
typedef struct {
  UV_TABLE(UV_TABLE_FIELD)
} UvTable;
#undef UV_TABLE_FIELD

extern UvTable uv_table; /* filled once a process, never changed after */

#ifndef UV_TABLE_KEEP_NAMES
#define uv_version uv_table.uv_version_
#define uv_version_string uv_table.uv_version_string_
#define uv_loop_size uv_table.uv_loop_size_
#define uv_handle_size uv_table.uv_handle_size_
#define uv_req_size uv_table.uv_req_size_
#define uv_run uv_table.uv_run_
#define uv_stop uv_table.uv_stop_
#define uv_loop_alive uv_table.uv_loop_alive_
#define uv_hrtime uv_table.uv_hrtime_
#define uv_now uv_table.uv_now_
#define uv_update_time uv_table.uv_update_time_
#define uv_close uv_table.uv_close_
#define uv_is_closing uv_table.uv_is_closing_
#define uv_is_active uv_table.uv_is_active_
#define uv_ref uv_table.uv_ref_
#define uv_unref uv_table.uv_unref_
#define uv_walk uv_table.uv_walk_
#define uv_idle_init uv_table.uv_idle_init_
#define uv_idle_start uv_table.uv_idle_start_
#define uv_idle_stop uv_table.uv_idle_stop_
#define uv_check_init uv_table.uv_check_init_
#define uv_check_start uv_table.uv_check_start_
#define uv_check_stop uv_table.uv_check_stop_
#define uv_prepare_init uv_table.uv_prepare_init_
#define uv_prepare_start uv_table.uv_prepare_start_
#define uv_prepare_stop uv_table.uv_prepare_stop_
#define uv_timer_init uv_table.uv_timer_init_
#define uv_timer_start uv_table.uv_timer_start_
#define uv_timer_stop uv_table.uv_timer_stop_
#define uv_async_init uv_table.uv_async_init_
#define uv_async_send uv_table.uv_async_send_
#define uv_strerror uv_table.uv_strerror_
#define uv_err_name uv_table.uv_err_name_
#define uv_tcp_init uv_table.uv_tcp_init_
#define uv_tcp_open uv_table.uv_tcp_open_
#define uv_tcp_bind uv_table.uv_tcp_bind_
#define uv_tcp_connect uv_table.uv_tcp_connect_
#define uv_tcp_nodelay uv_table.uv_tcp_nodelay_
#define uv_tcp_keepalive uv_table.uv_tcp_keepalive_
#define uv_tcp_getsockname uv_table.uv_tcp_getsockname_
#define uv_tcp_getpeername uv_table.uv_tcp_getpeername_
#define uv_tcp_close_reset uv_table.uv_tcp_close_reset_
#define uv_read_start uv_table.uv_read_start_
#define uv_read_stop uv_table.uv_read_stop_
#define uv_write uv_table.uv_write_
#define uv_try_write uv_table.uv_try_write_
#define uv_shutdown uv_table.uv_shutdown_
#define uv_fileno uv_table.uv_fileno_
#define uv_getaddrinfo uv_table.uv_getaddrinfo_
#define uv_freeaddrinfo uv_table.uv_freeaddrinfo_
#define uv_getnameinfo uv_table.uv_getnameinfo_
#define uv_cancel uv_table.uv_cancel_
#define uv_ip4_addr uv_table.uv_ip4_addr_
#define uv_ip6_addr uv_table.uv_ip6_addr_
#define uv_ip4_name uv_table.uv_ip4_name_
#define uv_ip6_name uv_table.uv_ip6_name_
#define uv_replace_allocator uv_table.uv_replace_allocator_
#define uv_mutex_init uv_table.uv_mutex_init_
#define uv_mutex_destroy uv_table.uv_mutex_destroy_
#define uv_mutex_lock uv_table.uv_mutex_lock_
#define uv_mutex_trylock uv_table.uv_mutex_trylock_
#define uv_mutex_unlock uv_table.uv_mutex_unlock_
#define uv_queue_work uv_table.uv_queue_work_
#define uv_poll_init uv_table.uv_poll_init_
#define uv_poll_start uv_table.uv_poll_start_
#define uv_poll_stop uv_table.uv_poll_stop_
#define uv_backend_fd uv_table.uv_backend_fd_
#define uv_backend_timeout uv_table.uv_backend_timeout_
#define uv_loop_fork uv_table.uv_loop_fork_
#define uv_spawn uv_table.uv_spawn_
#define uv_process_kill uv_table.uv_process_kill_
#define uv_fs_read uv_table.uv_fs_read_
#define uv_fs_write uv_table.uv_fs_write_
#define uv_fs_req_cleanup uv_table.uv_fs_req_cleanup_
#define uv_pipe_init uv_table.uv_pipe_init_
#define uv_pipe_open uv_table.uv_pipe_open_
#define uv_pipe uv_table.uv_pipe_
#define uv_socketpair uv_table.uv_socketpair_
#define uv_signal_init uv_table.uv_signal_init_
#define uv_signal_start uv_table.uv_signal_start_
#define uv_signal_stop uv_table.uv_signal_stop_
#define uv_udp_init_ex uv_table.uv_udp_init_ex_
#define uv_udp_open uv_table.uv_udp_open_
#define uv_udp_bind uv_table.uv_udp_bind_
#define uv_udp_connect uv_table.uv_udp_connect_
#define uv_udp_getsockname uv_table.uv_udp_getsockname_
#define uv_udp_getpeername uv_table.uv_udp_getpeername_
#define uv_udp_set_membership uv_table.uv_udp_set_membership_
#define uv_udp_set_source_membership uv_table.uv_udp_set_source_membership_
#define uv_udp_set_multicast_loop uv_table.uv_udp_set_multicast_loop_
#define uv_udp_set_multicast_ttl uv_table.uv_udp_set_multicast_ttl_
#define uv_udp_set_multicast_interface uv_table.uv_udp_set_multicast_interface_
#define uv_udp_set_broadcast uv_table.uv_udp_set_broadcast_
#define uv_udp_set_ttl uv_table.uv_udp_set_ttl_
#define uv_udp_send uv_table.uv_udp_send_
#define uv_udp_try_send uv_table.uv_udp_try_send_
#define uv_udp_recv_start uv_table.uv_udp_recv_start_
#define uv_udp_recv_stop uv_table.uv_udp_recv_stop_
#define uv_send_buffer_size uv_table.uv_send_buffer_size_
#define uv_recv_buffer_size uv_table.uv_recv_buffer_size_
#endif

#endif
#endif

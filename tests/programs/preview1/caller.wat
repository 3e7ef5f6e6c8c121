;; Executes a script of WASI calls, so that a claim about a call is a line of text and not a program.
;;
;; The script comes first on standard input: its length as a u32, then records of u32 words (little
;; endian), all in memory at 4096 while they are executed, so that a record can change a later one:
;;   1 function 0 0, nine u64 arguments   calls, and reports the u32 that it answers
;;   2 to length 0, bytes                 puts bytes (padded to a multiple of 8)
;;   3 at length byte                     fills
;;   4 at length 0                        reports memory
;;   5 to from length                     copies memory
;;   0                                    ends
;; What is reported goes to standard output. What follows on standard input is the calls' own.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_advise" (func $fd_advise (param i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate" (func $fd_allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_datasync" (func $fd_datasync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $fd_fdstat_set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_rights" (func $fd_fdstat_set_rights (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $fd_filestat_set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_times" (func $fd_filestat_set_times (param i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_sync" (func $fd_sync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_tell" (func $fd_tell (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $path_create_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times" (func $path_filestat_set_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $path_link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_readlink" (func $path_readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $path_remove_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $sock_accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_recv" (func $sock_recv (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_send" (func $sock_send (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_shutdown" (func $sock_shutdown (param i32 i32) (result i32)))

  (memory (export "memory") 512)
  (type $call (func (param i32) (result i32)))
  (table funcref (elem
    $call_args_get
    $call_args_sizes_get
    $call_environ_get
    $call_environ_sizes_get
    $call_clock_res_get
    $call_clock_time_get
    $call_fd_advise
    $call_fd_allocate
    $call_fd_close
    $call_fd_datasync
    $call_fd_fdstat_get
    $call_fd_fdstat_set_flags
    $call_fd_fdstat_set_rights
    $call_fd_filestat_get
    $call_fd_filestat_set_size
    $call_fd_filestat_set_times
    $call_fd_pread
    $call_fd_prestat_get
    $call_fd_prestat_dir_name
    $call_fd_pwrite
    $call_fd_read
    $call_fd_readdir
    $call_fd_renumber
    $call_fd_seek
    $call_fd_sync
    $call_fd_tell
    $call_fd_write
    $call_path_create_directory
    $call_path_filestat_get
    $call_path_filestat_set_times
    $call_path_link
    $call_path_open
    $call_path_readlink
    $call_path_remove_directory
    $call_path_rename
    $call_path_symlink
    $call_path_unlink_file
    $call_poll_oneoff
    $call_proc_exit
    $call_proc_raise
    $call_random_get
    $call_sched_yield
    $call_sock_accept
    $call_sock_recv
    $call_sock_send
    $call_sock_shutdown
  ))

  (func $call_args_get (type $call) (call $args_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_args_sizes_get (type $call) (call $args_sizes_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_environ_get (type $call) (call $environ_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_environ_sizes_get (type $call) (call $environ_sizes_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_clock_res_get (type $call) (call $clock_res_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_clock_time_get (type $call) (call $clock_time_get (i32.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func $call_fd_advise (type $call) (call $fd_advise (i32.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i64.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0))))
  (func $call_fd_allocate (type $call) (call $fd_allocate (i32.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i64.load offset=16 (local.get 0))))
  (func $call_fd_close (type $call) (call $fd_close (i32.load (local.get 0))))
  (func $call_fd_datasync (type $call) (call $fd_datasync (i32.load (local.get 0))))
  (func $call_fd_fdstat_get (type $call) (call $fd_fdstat_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_fd_fdstat_set_flags (type $call) (call $fd_fdstat_set_flags (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_fd_fdstat_set_rights (type $call) (call $fd_fdstat_set_rights (i32.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i64.load offset=16 (local.get 0))))
  (func $call_fd_filestat_get (type $call) (call $fd_filestat_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_fd_filestat_set_size (type $call) (call $fd_filestat_set_size (i32.load (local.get 0)) (i64.load offset=8 (local.get 0))))
  (func $call_fd_filestat_set_times (type $call) (call $fd_filestat_set_times (i32.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i64.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0))))
  (func $call_fd_pread (type $call) (call $fd_pread (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i64.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0))))
  (func $call_fd_prestat_get (type $call) (call $fd_prestat_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_fd_prestat_dir_name (type $call) (call $fd_prestat_dir_name (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func $call_fd_pwrite (type $call) (call $fd_pwrite (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i64.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0))))
  (func $call_fd_read (type $call) (call $fd_read (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0))))
  (func $call_fd_readdir (type $call) (call $fd_readdir (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i64.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0))))
  (func $call_fd_renumber (type $call) (call $fd_renumber (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_fd_seek (type $call) (call $fd_seek (i32.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0))))
  (func $call_fd_sync (type $call) (call $fd_sync (i32.load (local.get 0))))
  (func $call_fd_tell (type $call) (call $fd_tell (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_fd_write (type $call) (call $fd_write (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0))))
  (func $call_path_create_directory (type $call) (call $path_create_directory (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func $call_path_filestat_get (type $call) (call $path_filestat_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0))))
  (func $call_path_filestat_set_times (type $call) (call $path_filestat_set_times (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i64.load offset=32 (local.get 0)) (i64.load offset=40 (local.get 0)) (i32.load offset=48 (local.get 0))))
  (func $call_path_link (type $call) (call $path_link (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0)) (i32.load offset=40 (local.get 0)) (i32.load offset=48 (local.get 0))))
  (func $call_path_open (type $call) (call $path_open (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0)) (i64.load offset=40 (local.get 0)) (i64.load offset=48 (local.get 0)) (i32.load offset=56 (local.get 0)) (i32.load offset=64 (local.get 0))))
  (func $call_path_readlink (type $call) (call $path_readlink (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0)) (i32.load offset=40 (local.get 0))))
  (func $call_path_remove_directory (type $call) (call $path_remove_directory (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func $call_path_rename (type $call) (call $path_rename (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0)) (i32.load offset=40 (local.get 0))))
  (func $call_path_symlink (type $call) (call $path_symlink (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0))))
  (func $call_path_unlink_file (type $call) (call $path_unlink_file (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func $call_poll_oneoff (type $call) (call $poll_oneoff (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0))))
  (func $call_proc_exit (type $call) (call $proc_exit (i32.load (local.get 0))) (i32.const 0))
  (func $call_proc_raise (type $call) (call $proc_raise (i32.load (local.get 0))))
  (func $call_random_get (type $call) (call $random_get (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func $call_sched_yield (type $call) (call $sched_yield))
  (func $call_sock_accept (type $call) (call $sock_accept (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func $call_sock_recv (type $call) (call $sock_recv (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0)) (i32.load offset=40 (local.get 0))))
  (func $call_sock_send (type $call) (call $sock_send (i32.load (local.get 0)) (i32.load offset=8 (local.get 0)) (i32.load offset=16 (local.get 0)) (i32.load offset=24 (local.get 0)) (i32.load offset=32 (local.get 0))))
  (func $call_sock_shutdown (type $call) (call $sock_shutdown (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))

  ;; Reads exactly this many bytes; a script that is cut short is a fault of the harness.
  (func $read (param $to i32) (param $left i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $left)))
        (i32.store (i32.const 0) (local.get $to))
        (i32.store (i32.const 4) (local.get $left))
        (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
        (if (i32.eqz (i32.load (i32.const 8))) (then unreachable))
        (local.set $to (i32.add (local.get $to) (i32.load (i32.const 8))))
        (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
        (br $more))))

  (func $report (param $from i32) (param $left i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $left)))
        (i32.store (i32.const 0) (local.get $from))
        (i32.store (i32.const 4) (local.get $left))
        (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
        (local.set $from (i32.add (local.get $from) (i32.load (i32.const 8))))
        (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
        (br $more))))

  (func (export "_start") (local $at i32) (local $op i32) (local $a i32) (local $b i32) (local $c i32)
    (call $read (i32.const 16) (i32.const 4))
    (call $read (i32.const 4096) (i32.load (i32.const 16)))
    (local.set $at (i32.const 4096))
    (block $end
      (loop $next
        (local.set $op (i32.load (local.get $at)))
        (local.set $a (i32.load offset=4 (local.get $at)))
        (local.set $b (i32.load offset=8 (local.get $at)))
        (local.set $c (i32.load offset=12 (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $end (i32.eqz (local.get $op)))
        (if (i32.eq (local.get $op) (i32.const 1)) (then
          (i32.store (i32.const 20) (call_indirect (type $call) (local.get $at) (local.get $a)))
          (call $report (i32.const 20) (i32.const 4))
          (local.set $at (i32.add (local.get $at) (i32.const 72)))
          (br $next)))
        (if (i32.eq (local.get $op) (i32.const 2)) (then
          (memory.copy (local.get $a) (local.get $at) (local.get $b))
          (local.set $at (i32.and (i32.add (i32.add (local.get $at) (local.get $b)) (i32.const 7)) (i32.const -8)))
          (br $next)))
        (if (i32.eq (local.get $op) (i32.const 3)) (then
          (memory.fill (local.get $a) (local.get $c) (local.get $b))
          (br $next)))
        (if (i32.eq (local.get $op) (i32.const 4)) (then
          (call $report (local.get $a) (local.get $b))
          (br $next)))
        (if (i32.eq (local.get $op) (i32.const 5)) (then
          (memory.copy (local.get $a) (local.get $b) (local.get $c))
          (br $next)))
        unreachable))))

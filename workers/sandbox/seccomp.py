"""The system calls that code in a sandbox is refused, as a filter that bubblewrap loads.

The namespaces and the missing capabilities are what holds a process in; the filter takes away what
it could still do inside: start processes, trace them, open sockets, and keep memory where no limit
counts it. What is refused gives EPERM, so that Python raises PermissionError in the student's own
line. clone3 hides its flags from every filter: it does not exist in here (ENOSYS), and the C
library falls back to clone, which may start threads and nothing else.
"""

import errno
import functools
import tempfile
from contextlib import suppress

import pyseccomp

CLONE_THREAD = 0x00010000  # linux/sched.h

REFUSED = (
    # New processes, and power over others.
    *("fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open"),
    *("pidfd_getfd", "pidfd_send_signal", "setns", "unshare", "process_madvise"),
    # The network, and sockets of any other kind.
    *("socket", "socketpair", "socketcall", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register",),
    # Memory that belongs to no process and is bounded by no limit.
    *("memfd_create", "memfd_secret", "shmget", "shmat", "msgget", "semget", "mq_open"),
    # The file system's shape.
    *("mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen"),
    *("fsconfig", "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at"),
    *("fanotify_init", "quotactl", "swapon", "swapoff", "mknod", "mknodat"),
    # The kernel's own machinery.
    *("bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "init_module"),
    *("finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "syslog"),
    *("acct", "personality", "modify_ldt", "iopl", "ioperm", "vhangup", "lookup_dcookie"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname"),
    *("setdomainname", "ioprio_set", "sched_setattr", "sched_setscheduler", "setpriority"),
    *("migrate_pages", "move_pages", "mbind", "set_mempolicy", "mlock", "mlock2", "mlockall"),
)


@functools.cache
def program() -> bytes:
    """The filter as the BPF program that bubblewrap's --seccomp reads. Raises OSError."""
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        # An architecture has only some of them.
        with suppress(OSError):
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    not_a_thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0)
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", not_a_thread)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()

"""The system calls that code in a sandbox is refused, as a filter that bubblewrap loads.

The namespaces and the missing capabilities are what holds a process in; the filter takes away what
it could still do inside: start processes, trace them, open sockets, and keep memory where no limit
counts it. What is refused gives EPERM, so that Python raises PermissionError in the student's own
line. clone3 hides its flags from every filter: it does not exist in here (ENOSYS), and the C
library falls back to clone, which may start threads and nothing else. System calls of another
architecture (int 0x80, x32) kill.
"""

import errno
import functools
import os
from contextlib import suppress

import pyseccomp

CLONE_THREAD = 0x00010000  # linux/sched.h
PR_SET_SECCOMP = 22  # linux/prctl.h
# linux/fcntl.h: leases and watches reach whoever else opens a file; a pipe grows beyond its 64 KiB.
F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ = 1024, 1026, 1031

# asm-generic/ioctls.h: typing into a terminal for whoever sits at it.
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

REFUSED = (
    # New processes, and power over others.
    *("fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open"),
    *("pidfd_getfd", "pidfd_send_signal", "setns", "unshare", "process_madvise"),
    *("process_mrelease", "seccomp", "setsid", "setpgid"),
    # The network, and sockets of any other kind.
    *("socket", "socketpair", "socketcall", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register",),
    # Memory that belongs to no process and is bounded by no limit. A pipe that is given one page
    # of a huge one holds on to all of it.
    *("memfd_create", "memfd_secret", "shmget", "shmat", "msgget", "semget", "mq_open"),
    *("vmsplice", "splice", "tee", "io_setup", "io_submit", "io_cancel", "io_getevents"),
    *("io_pgetevents", "inotify_init", "inotify_init1", "setxattr", "lsetxattr", "fsetxattr"),
    *("setxattrat",),
    # The file system's shape.
    *("mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen"),
    *("fsconfig", "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at"),
    *("open_tree_attr", "statmount", "listmount", "fanotify_init", "quotactl", "quotactl_fd"),
    *("swapon", "swapoff", "mknod", "mknodat"),
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
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in REFUSED:
        # An architecture, or the installed libseccomp, knows only some of them.
        with suppress(OSError):
            rules.add_rule(refuse, name)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
    rules.add_rule(refuse, "prctl", _is(0, PR_SET_SECCOMP))
    for command in (F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ):
        rules.add_rule(refuse, "fcntl", _is(1, command))
    for command in (TIOCSTI, TIOCLINUX):
        rules.add_rule(refuse, "ioctl", _is(1, command))
    with os.fdopen(os.memfd_create("seccomp"), "w+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _is(argument: int, value: int) -> "pyseccomp.Arg":
    """That an argument is this int: the kernel reads half of the register, and so must the filter.

    Otherwise a bit in the other half would take the call past the filter.
    """
    return pyseccomp.Arg(argument, pyseccomp.MASKED_EQ, 0xFFFF_FFFF, value)

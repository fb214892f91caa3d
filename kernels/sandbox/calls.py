"""The system calls that the filter answers by their number alone, each with the reason.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18.
"""

import errno

# Answered with EPERM.
DENIED: dict[str, int] = {
    "ptrace": 101,  # steer or look into another process
    "process_vm_readv": 310,  # read another process's memory
    "process_vm_writev": 311,  # write it
    "kcmp": 312,  # compare what two processes hold
    "pidfd_getfd": 438,  # take another process's descriptors
    "add_key": 248,  # key rings are shared between namespaces
    "request_key": 249,  # likewise, and it starts programs of the host
    "keyctl": 250,  # likewise
    "mount": 165,  # another view of the files
    "umount2": 166,  # likewise
    "pivot_root": 155,  # likewise
    "chroot": 161,  # likewise
    "unshare": 272,  # other namespaces, and in them rights over parts of the kernel that are rarely tried
    "setns": 308,  # likewise
    "bpf": 321,  # programs in the kernel
    "perf_event_open": 298,  # a large part of the kernel that broke often
    "userfaultfd": 323,  # holds the kernel up at will, which exploits need
    "name_to_handle_at": 303,  # files by handle, past every folder's rights
    "open_by_handle_at": 304,  # likewise
    "fanotify_init": 300,  # watches whole file systems
    "fanotify_mark": 301,  # likewise
    "inotify_add_watch": 254,  # tells who opens what among the files that all kernels share
    "inotify_init": 253,  # takes from a number that our user has for all kernels
    "inotify_init1": 294,  # likewise
    "quotactl": 179,  # the machine's own limits
    "quotactl_fd": 443,  # likewise
    "swapon": 167,  # the machine's own memory
    "swapoff": 168,  # likewise
    "acct": 163,  # a log of all processes
    "reboot": 169,  # ends the machine
    "kexec_load": 246,  # starts another kernel
    "kexec_file_load": 320,  # likewise
    "create_module": 174,  # code in the kernel
    "init_module": 175,  # likewise
    "finit_module": 313,  # likewise
    "delete_module": 176,  # likewise
    "iopl": 172,  # hardware
    "ioperm": 173,  # hardware
    "modify_ldt": 154,  # segments, by which a filter was passed once
    "syslog": 103,  # the kernel's messages and addresses
    "settimeofday": 164,  # everybody's clock
    "clock_settime": 227,  # likewise
    "adjtimex": 159,  # likewise
    "clock_adjtime": 305,  # likewise
    "sethostname": 170,  # a name that others may read
    "setdomainname": 171,  # likewise
    "vmsplice": 278,  # shares pages in ways that broke often
    "mq_open": 240,  # queues live outside the workspace and its limits
    "mq_unlink": 241,  # removes those of others where the IPC namespace is the machine's; Landlock allows it
    "memfd_secret": 447,  # memory that nobody can count
    "move_pages": 279,  # other processes' memory
    "migrate_pages": 256,  # likewise
    "uselib": 134,  # long dead
    "_sysctl": 156,  # long dead
    "nfsservctl": 180,  # long dead
    "lookup_dcookie": 212,  # long dead
    "shmat": 30,  # memory of others, where the IPC namespace is the machine's
}
# Answered with ENOSYS, as by a kernel that does not have them: libraries then take the older way.
UNKNOWN: dict[str, int] = {
    "clone3": 435,  # its flags lie in memory, where a filter cannot see them; libc falls back to clone
    "io_uring_setup": 425,  # makes calls that no filter sees
    "io_uring_enter": 426,  # likewise
    "io_uring_register": 427,  # likewise
    "open_tree": 428,  # mounts, the new way
    "move_mount": 429,  # likewise
    "fsopen": 430,  # likewise
    "fsconfig": 431,  # likewise
    "fsmount": 432,  # likewise
    "fspick": 433,  # likewise
    "mount_setattr": 442,  # likewise
    "open_tree_attr": 467,  # likewise
    "statmount": 457,  # tells of mounts, whatever /proc shows of them
    "listmount": 458,  # likewise
    "listns": 470,  # likewise of namespaces
    "io_setup": 206,  # takes from a number that the whole machine has for everybody
    "cachestat": 451,  # tells what others have read of a shared file
    "mincore": 27,  # likewise
    "mbind": 237,  # changes every area of memory in a range, which is locked meanwhile, and so are folders
    "set_mempolicy_home_node": 450,  # likewise
    "process_madvise": 440,  # takes memory from other processes
    "landlock_create_ruleset": 444,  # any number of rules; each keeps its file on the disk when it is deleted
    "landlock_add_rule": 445,  # likewise, to a set of ours
    "file_setattr": 469,  # has XFS take up to 8 GiB of the disk for one byte that is written
    "seccomp": 317,  # filters of its own: compiled, they take memory that the machine has once for everybody
    "shmget": 29,  # System V's memory stays when its processes end, and no watchdog finds it
    "semget": 64,  # likewise
    "msgget": 68,  # likewise
}
# Answered with EOPNOTSUPP, as by a file system that cannot do it: libc's posix_fallocate then writes zeros,
# and `shutil.copystat` leaves attributes out.
UNSUPPORTED: dict[str, int] = {
    # Takes the whole disk in one call of 20 ms, before anybody looks; with FALLOC_FL_KEEP_SIZE no limit on a
    # file's size holds it.
    "fallocate": 285,
    # Attributes take room that some file systems (btrfs, tmpfs) count as no file's, so that no look finds it.
    "setxattr": 188,
    "lsetxattr": 189,
    "fsetxattr": 190,
    "setxattrat": 463,
}
# Answered as if they had been done, in every tier.
IGNORED: dict[str, int] = {
    "fadvise64": 221,  # drops what others read from memory, so that one sees when they read it again
    "sync": 162,  # makes everybody's disk busy; fsync of one's own files works
    "syncfs": 306,  # likewise
    "ioprio_set": 251,  # before others at the disk
    # Whoever has hardly any of the processors' time holds what it has locked for long: a folder, or the
    # memory of a process. We wait for that when we look.
    "setpriority": 141,
    "sched_setparam": 142,  # likewise
    "sched_setscheduler": 144,  # likewise
    "sched_setattr": 314,  # likewise
}
# Answered with ENOSYS too where no control group counts a kernel's memory: each of these keeps pages that no
# process has mapped, so that neither a limit nor a look finds them. libc and Python take an older way.
UNCOUNTED: dict[str, int] = {
    "memfd_create": 319,  # files of memory, whose descriptor can be hidden in the queue of a socket
    "splice": 275,  # a byte in a pipe keeps all of its page (of up to 2 MiB) when the file is gone
    "tee": 276,  # likewise
    "sendfile": 40,  # likewise, in a socket: 100 pairs kept 1.3 GB
}
# What a kernel may not do besides where it sees the machine's own processes and files, as the user that we
# are: Landlock rules who opens a file, not who changes its mode.
SHARING: dict[str, int] = {
    "chown": 92,  # of files that are not the person's
    "fchown": 93,  # likewise
    "lchown": 94,  # likewise
    "fchownat": 260,  # likewise
    "removexattr": 197,  # likewise: access lists are attributes
    "lremovexattr": 198,  # likewise
    "fremovexattr": 199,  # likewise
    "removexattrat": 466,  # likewise
    "sendmsg": 46,  # hides open files on their way, where nobody counts them
    "sendmmsg": 307,  # likewise
    "bind": 49,  # takes an abstract name that a program of the host may want
    "pidfd_open": 434,  # tells of any process whose number is known
    "shmctl": 31,  # removes what is not ours
    "semctl": 66,  # likewise
    "semop": 65,  # holds others up
    "semtimedop": 220,  # likewise
    "msgctl": 71,  # removes what is not ours
    "msgsnd": 69,  # likewise
    "msgrcv": 70,  # likewise
}
FOR_NETWORK = ("bind", "sendmsg", "sendmmsg")  # of these, what the internet's sockets need
# There too: answered with ENOTSUP, as by a file system without attributes, which libraries are ready for.
ATTRIBUTES: dict[str, int] = {
    "getxattr": 191,  # of a file that may not be read: its access list, its origin
    "lgetxattr": 192,  # likewise
    "fgetxattr": 193,  # likewise
    "getxattrat": 464,  # likewise
    "listxattr": 194,  # likewise
    "llistxattr": 195,  # likewise
    "flistxattr": 196,  # likewise
    "listxattrat": 465,  # likewise
}
# There too: answered as if they had been done, since `shutil.copy` and `tarfile` fail where they cannot.
PRETENDED: dict[str, int] = {
    "chmod": 90,  # of a file that is not the person's
    "fchmod": 91,  # likewise
    "fchmodat": 268,  # likewise
    "fchmodat2": 452,  # likewise
    "utime": 132,  # likewise its date, by which we delete
    "utimes": 235,  # likewise
    "futimesat": 261,  # likewise
    "utimensat": 280,  # likewise
}
# There too: calls about any process of our user, which may be about the caller only (argument 0 is 0), with
# the number of the answer.
ABOUT_ITSELF: dict[str, tuple[int, int]] = {
    "prlimit64": (302, errno.EPERM),  # a limit of no descriptors, or of a second, ends a process
    "sched_setaffinity": (203, 0),  # slows it down
}

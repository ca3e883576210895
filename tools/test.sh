#!/usr/bin/env bash
# tools/test.sh PYTHON [option of pytest ...]   the tests, in two processes. A process that dies takes the test that it was
# at with it: that one is asked again by itself, and it is said. What fails by itself, or was never asked, fails the whole.
# (Seen in three of some thirty runs up to 2026-11-23: a segmentation fault at the end of a process. The one core shows a signal
# of the kernel's own, SI_KERNEL without an address, on the way back from a system call, every other thread at rest, no trap
# in the kernel's log, Linux 6.18 on Firecracker: no instruction of the process did it. A guard page behind every allocation
# of 16 KB or more, with what is freed never used again, and asyncio's debug mode found nothing either.)
set -euo pipefail
unset PYTHONDONTWRITEBYTECODE # these tests start a thousand interpreters; without bytecode each compiles us anew

python=$1
shift
mkdir -p .cache
log=.cache/tests.log

"$python" -m pytest -m "not soak" -n 2 --dist loadfile --max-worker-restart 0 "$@" 2>&1 | tee "$log" && exit 0
failed=$(grep -cE '^(FAILED|ERROR) ' "$log" || true)
died=$(grep -cE "^worker '.*' crashed while running '" "$log" || true)
asked=$(sed -nE 's/^[0-9]+ workers \[([0-9]+) items?\].*/\1/p' "$log")
told=$(tail -n 5 "$log" | grep -E '^=+ .* in [0-9.]+s' | grep -oE '[0-9]+ (failed|passed|skipped)' | awk '{ n += $1 } END { print n }')
[ "$died" -gt 0 ] && [ "$failed" -eq "$died" ] && [ "$told" -ge "$asked" ] || exit 1
echo "A process of the tests died: what it was at is asked again, by itself." >&2
exec "$python" -m pytest -m "not soak" --last-failed --last-failed-no-failures none "$@"

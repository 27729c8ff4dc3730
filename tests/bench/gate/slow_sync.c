/* A disk whose sync takes IFE_SYNC_MS longer, for a program that has this in LD_PRELOAD. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for_disk(void)
{
	const char *ms = getenv("IFE_SYNC_MS");
	long wait = ms ? atol(ms) : 0;
	struct timespec time = {wait / 1000, wait % 1000 * 1000000};

	nanosleep(&time, NULL);
}

int fdatasync(int fd)
{
	wait_for_disk();
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	wait_for_disk();
	return (int)syscall(SYS_fsync, fd);
}

/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a forked process must forget of its parent. tls.so has OpenSSL allocate in shared memory. What OpenSSL 3 has made
 * per thread before the fork (error queue, random generators) is then one object for all processes, which they use without a
 * lock: two TLS handshakes at once, of strangers too, corrupt shared memory and end the server (kamailio issue 3791). Kamailio
 * 5.8 and later forget it with tls_threads_mode=2; earlier ones, Debian 12's 5.6.3 among them, have no setting.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "core/dprint.h"
#include "core/mem/shm_mem.h"

#include "ife_fork.h"

/* Keys are small numbers, given in turn. */
#define KEYS_MAX 128

/* Kamailio's shared memory. */
static uintptr_t shared_start, shared_end;

/* Thread-local objects in shared memory; those of the process's own memory (Python's, for one) the fork has copied. */
static void forget_shared_thread_locals(void)
{
	pthread_key_t key;
	uintptr_t value;

	for(key = 0; key < KEYS_MAX; key++) {
		value = (uintptr_t)pthread_getspecific(key);
		/* Not freed: they stay those of the process that made them. */
		if(value >= shared_start && value < shared_end)
			pthread_setspecific(key, NULL);
	}
}

/* Sets shared_start and shared_end to the mapping that holds address; -1 when the kernel does not say. */
static int find_mapping(uintptr_t address)
{
	char line[512];
	uintptr_t start, end;
	FILE *maps = fopen("/proc/self/maps", "re");

	if(maps == NULL)
		return -1;
	while(fgets(line, sizeof(line), maps) != NULL) {
		if(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 && address >= start && address < end) {
			shared_start = start;
			shared_end = end;
			break;
		}
	}
	fclose(maps);
	return shared_end != 0 ? 0 : -1;
}

int ife_fork_init(void)
{
	void *probe = shm_malloc(1);

	if(probe == NULL || find_mapping((uintptr_t)probe) < 0 || pthread_atfork(NULL, NULL, forget_shared_thread_locals) != 0) {
		LM_ERR("shared memory cannot be found in /proc/self/maps, or there is none left\n");
		return -1;
	}
	shm_free(probe);
	return 0;
}

/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Clears thread-local data of the parent after a fork. tls.so makes OpenSSL allocate in shared
 * memory. OpenSSL 3's objects per thread (error queue, random generators), made before the fork,
 * are then one object for all processes, without a lock: two TLS handshakes at once, also of
 * unknown peers, corrupt shared memory and end the server (kamailio issue 3791). Kamailio 5.8 and
 * later clear them with tls_threads_mode=2; earlier versions, such as 5.6.3 of Debian 12, have no
 * setting.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "core/dprint.h"
#include "core/mem/shm_mem.h"

#include "ife_fork.h"

/* Keys are small numbers, given in turn. */
#define KEYS_MAX 128

/* The mapping of Kamailio's shared memory. */
static uintptr_t shared_start, shared_end;

/* Clears thread-local objects in shared memory; the fork copies those in private memory. */
static void forget_shared_thread_locals(void)
{
	pthread_key_t key;
	uintptr_t value;

	for(key = 0; key < KEYS_MAX; key++) {
		value = (uintptr_t)pthread_getspecific(key);
		/* Not freed: the process that made the object still uses it. */
		if(value >= shared_start && value < shared_end)
			pthread_setspecific(key, NULL);
	}
}

/* Sets shared_start and shared_end to the mapping that holds address; -1 if there is none. */
static int find_mapping(uintptr_t address)
{
	char line[512];
	uintptr_t start, end;
	FILE *maps = fopen("/proc/self/maps", "re");

	if(maps == NULL)
		return -1;
	while(fgets(line, sizeof(line), maps) != NULL) {
		if(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 && address >= start
				&& address < end) {
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

	if(probe == NULL || find_mapping((uintptr_t)probe) < 0
			|| pthread_atfork(NULL, NULL, forget_shared_thread_locals) != 0) {
		LM_ERR("cannot find shared memory in /proc/self/maps, or it is full\n");
		return -1;
	}
	shm_free(probe);
	return 0;
}

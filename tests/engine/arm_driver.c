/* Runs one program of the engine on an emulated computer: arrays come in on standard input and go out on
   standard output. See arm.py, which writes the table of programs, RUNS. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*Run)(void **, void *, int64_t *, void *, int64_t, int (*)(void));
#include "runs.h"

static Run run;
static void **table, *arena, *barrier;
static int64_t status[4];

static void *work(void *thread) {
    run(table, arena, status, barrier, (int64_t)(intptr_t)thread, sched_yield);
    return NULL;
}

static void *room(int64_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!memory) exit(3);
    return memory;
}

int main(int argc, char **argv) {
    int64_t head[3], size[4096]; /* arrays, bytes of the arena, threads; bytes of each array */
    run = RUNS[atoi(argv[argc - 1])];
    if (fread(head, 8, 3, stdin) != 3 || head[0] > 4096) return 2;
    if (fread(size, 8, head[0], stdin) != (size_t)head[0]) return 2;
    table = room(8 * head[0]);
    for (int64_t n = 0; n < head[0]; n++) {
        table[n] = room(size[n]);
        if (fread(table[n], 1, size[n], stdin) != (size_t)size[n]) return 2;
    }
    arena = room(head[1]);
    barrier = calloc(1, 256);
    pthread_t team[64];
    for (int64_t t = 1; t < head[2]; t++) pthread_create(&team[t], NULL, work, (void *)(intptr_t)t);
    work(0);
    for (int64_t t = 1; t < head[2]; t++) pthread_join(team[t], NULL);
    for (int64_t n = 0; n < head[0]; n++) fwrite(table[n], 1, size[n], stdout);
    fwrite(status, 8, 4, stdout);
    return 0;
}

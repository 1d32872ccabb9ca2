/* Runs the test of a model on a Cortex-M, and measures what each call needs there. It stands in for what comes with a
 * board: the vector table, and the code before main. What is printed reaches, through semihosting, what runs the
 * processor: an emulator or a debugger. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "measured.h"

/* Of the linker script. */
extern uint32_t stack_bottom[], stack_top[], data_load[], data_start[], data_end[], bss_end[], ram_end[];

/* SysTick, which counts down in 24 bits. */
#define TIMER_CONTROL (*(volatile uint32_t *)0xE000E010)
#define TIMER_RELOAD (*(volatile uint32_t *)0xE000E014)
#define TIMER_VALUE (*(volatile uint32_t *)0xE000E018)
#define TIMER_MAXIMUM UINT32_C(0xFFFFFF)
/* Bits that switch the timer on, with its interrupt, at the processor's clock. */
#define TIMER_ON 7
#define COPROCESSOR_ACCESS (*(volatile uint32_t *)0xE000ED88)
/* Of the loop of two instructions that tells how many instructions a tick is, and of the pairs of readings that tell
 * how many ticks these take themselves. */
#define LOOPS UINT32_C(100000)
#define PAIRS UINT32_C(1000)
#define UNUSED UINT32_C(0xA5A5A5A5)

int main(void);
void initialise_monitor_handles(void);
void reset(void);
void _init(void);
void _fini(void);
void *_sbrk(ptrdiff_t bytes);

static volatile uint32_t wraps;
static uint64_t started, ticks;
static uint32_t calls, deepest;
static uint32_t *called; /* the stack pointer at the call */

static void wrapped(void) {
    wraps++;
}

/* Ends the program as one that has failed. */
static void fault(void) {
    __asm volatile("movs r0, #0x18\n ldr r1, =0x20023\n bkpt 0xAB");
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, [15] = wrapped,
};

static uint64_t now(void) {
    uint32_t before, value;
    do {
        before = wraps;
        value = TIMER_VALUE;
    } while (before != wraps);
    return (uint64_t)before * (TIMER_MAXIMUM + 1) + (TIMER_MAXIMUM - value);
}

void before_call(uint32_t *stack) {
    uint32_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    /* volatile: a compiler would call memset instead, which has its own frame in what is filled. */
    for (volatile uint32_t *word = stack_bottom; word < here; word++) {
        *word = UNUSED;
    }
    called = stack;
    started = now();
}

void after_call(void) {
    ticks += now() - started;
    calls++;
    const uint32_t *used = stack_bottom;
    while (used < called && *used == UNUSED) {
        used++;
    }
    const uint32_t bytes = (uint32_t)(called - used) * sizeof *used;
    deepest = bytes > deepest ? bytes : deepest;
}

static void print_measurements(void) {
    const uint64_t first = now();
    uint32_t left = LOOPS;
    __asm volatile("1: subs %0, #1\n bne 1b" : "+l"(left) : : "cc");
    const uint64_t loop = now() - first;
    uint64_t reading = 0;
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        const uint64_t before = now();
        reading += now() - before;
    }
    const double instructions = 2.0 * LOOPS / (double)loop;
    const double each = calls ? (double)ticks / calls - (double)reading / PAIRS : 0;
    printf("measured %.0f %lu\n", each * instructions, (unsigned long)deepest);
}

void reset(void) {
#ifdef __ARM_FP
    COPROCESSOR_ACCESS |= UINT32_C(0xF) << 20; /* the floating-point unit is off at first */
#endif
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = data_end; to < bss_end; to++) {
        *to = 0;
    }
    TIMER_RELOAD = TIMER_MAXIMUM;
    TIMER_VALUE = 0;
    TIMER_CONTROL = TIMER_ON;
    initialise_monitor_handles();
    const int status = main();
    print_measurements();
    exit(status);
}

/* The C library calls them, where there are constructors and destructors. */
void _init(void) {
}

void _fini(void) {
}

/* Memory for malloc, which printf calls: all above the variables. */
void *_sbrk(ptrdiff_t bytes) {
    static char *next = (char *)bss_end;
    if (bytes > (char *)ram_end - next) {
        return (void *)-1;
    }
    next += bytes;
    return next - bytes;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The runtime's own vocabulary, sectioned by file: load.c, child.c, loop.c, list.c.
 */
#ifndef XBT_RUNTIME_H
#define XBT_RUNTIME_H

#include "runtime/options.h"
#include "runtime/session.h"
#include "target/target.h"

/* ---- load.c: an image into the kernel -------------------------------------------------- */

struct loaded {
	struct session *session;
	int *prog_fds;        /* parallel to image->progs; -1 */
	const char **refused; /* the same: why a program could not be loaded for its target; NULL */
	uint32_t *partner;    /* the same: the program that it was joined with (the first has both); itself */
	struct links links;
	struct diag diag;     /* what is said about the script while loading */
	pid_t child_pid;      /* of -c's command; 0: none */
	uint32_t attached;    /* targets, BEGIN and END among them */
	uint32_t awaited;     /* those that don't run just once: none of them, and the script is done */
	uint64_t missed, missed_returns; /* firings that links count as not run */
	bool uncounted;       /* some were not counted */
	bool verbose, quiet;
};

/* Creates the maps and loads the programs. False: said why; unload() cleans up in any case. */
bool load(struct loaded *);
/* Loads one program. False: said why. */
bool load_program(struct loaded *, uint32_t index);
/* The descriptor of a program, or -1: there is another way. */
int load_quietly(struct loaded *, const struct prog *, const struct loading *);
/* Was exit() called? Its event may have found no room, or have a flood of others before it. */
bool exit_noted(struct session *);
/* Runs the programs of a special probe: "begin", "end" or "self"; not those behind one that called exit(). */
bool run_special(struct loaded *, const char *kind);
void unload(struct loaded *);

/* lru.c: how many entries an lruhash must have to hold so many elements of so many bytes. */
uint32_t lru_entries(uint32_t declared, uint64_t bytes, uint32_t ncpus);

/* ---- pair.c: kprobe and kretprobe of the same functions --------------------------------- */

/* Loads the program together with a later one, if that can be. */
bool load_pair(struct loaded *, uint32_t index);
/* Attaches both to all their targets; or parts them for good. */
bool attach_pair(struct loaded *, uint32_t index);

/* ---- missed.c: what the kernel did not run our programs for ----------------------------- */

/* Asks the links, before they go. */
void count_missed(struct loaded *);
void report_missed(const struct loaded *, FILE *err);

/* ---- attach.c: onto the probes ---------------------------------------------------------- */

/* Attaches everything but BEGIN and END. False: a probe has nothing attached. */
bool attach(struct loaded *);
void detach(struct loaded *);
/* Runs each iterator that is attached, once; those with a file become that instead. False: said why. */
bool run_iterators(struct loaded *);

/* ---- child.c: -c ------------------------------------------------------------------------ */

struct child {
	pid_t pid;  /* 0: none */
	int go;     /* writing a byte here lets it exec */
	int status; /* as waitpid() told, once it has ended */
};

/* Forks the command, stopped right before its exec. Split as a shell would, quotes and backslashes
 * included, but nothing is expanded. False: said why. */
bool child_start(struct child *, struct arena *, const char *command);
void child_release(struct child *);
/* True once it has ended by itself. */
bool child_ended(struct child *);
/* Tells how it ended, if not well. */
void child_report(const struct child *, FILE *err);
/* Ends it if it still runs. */
void child_stop(struct child *);

/* ---- loop.c ----------------------------------------------------------------------------- */

/* Handles events and calls until the script exits, a signal comes, or the child or process `pid` ends. */
bool loop(struct loaded *, struct child *, pid_t pid);
/* What is in the ring buffer by now. */
void loop_drain(struct session *);
/* Holds signals back until the loop waits. */
void loop_signals(struct session *);
bool loop_open(struct session *);
void loop_close(struct session *);

/* ---- list.c ----------------------------------------------------------------------------- */

int list_probes(const char *pattern, bool verbose, const char *btf);
/* Are there only those that expanding the pattern finds? */
bool list_needs_script(const char *pattern);
/* list_types.c: false if the pattern is none of types. *n: how many there are; UINT32_MAX: the reason why
 * that can't be known was printed. */
bool list_types(struct arena *, const char *btf, const char *pattern, bool verbose, uint32_t *n);
int show_info(void);

#endif

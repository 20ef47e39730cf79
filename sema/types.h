// SPDX-License-Identifier: Apache-2.0
/*
 * The vocabulary that crosses the wall between compiler and runtime: types, maps, aggregations,
 * events and printf formats. No AST here.
 *
 * How values lie in memory ("slots"): in map keys, map values and event records every value
 * starts at a multiple of 8 and takes type_slot() bytes. Integers, booleans, pointers, symbols
 * and the like are 8 bytes, sign- or zero-extended; strings are padded with zero bytes; buffers
 * are an 8-byte length and their bytes; tuples are their members' slots in order. So there is no
 * padding that could hold rubbish, and a key compares equal when its value does.
 */
#ifndef XBT_TYPES_H
#define XBT_TYPES_H

#include "core/core.h"

/* ---- types (type.c) --------------------------------------------------------------------- */

enum type_kind {
	T_ERROR,     /* poison: whatever touches it stays silent */
	T_VOID,      /* of statements */
	T_BOOL,
	T_INT,       /* size 1, 2, 4, 8; sign; with values: an enum */
	T_STRING,    /* len: capacity with the NUL */
	T_BUFFER,    /* len: capacity in bytes */
	T_POINTER,   /* of: what it points to (T_VOID, T_INT, T_STRUCT, ...) */
	T_ARRAY,     /* len elements of `of`, as C lays them out */
	T_STRUCT,    /* fields at C's offsets; a union, too */
	T_TUPLE,     /* fields at slot offsets; name empty */
	T_KSYM,      /* a kernel address that prints as its symbol */
	T_USERNAME,  /* a uid that prints as a user's name */
	T_TIMESTAMP, /* boot-clock ns that print through strftime; name: the format */
	T_STRERROR,  /* an errno that prints as its text */
	T_SIGNAL,    /* a signal's number that prints as its text */
	T_SYSCALL,   /* a system call's number that prints as its name */
	T_CGROUP,    /* a cgroup's id that prints as its path; name: of which hierarchies, a glob */
	T_MACADDR,   /* six bytes, the first one lowest */
	T_INET,      /* a u64 AF_INET or AF_INET6, then 16 bytes that begin with the address */
	T_USYM,      /* an address and the process that it is of; prints as its symbol */
	T_STACK,     /* space: whose; len: how deep at most; mode: how it prints */
};

/* How stacks print: the words of stack_mode in config.def. */
enum stack_mode { STACK_BPFTRACE, STACK_PERF, STACK_RAW, STACK_BUILD_ID, STACK_MODES };

enum {
	STACK_DEPTH_MAX = 127,
	STACK_BUILD_ID_WORDS = 4, /* of a frame with its build id: struct bpf_stack_build_id */
	/* A stack's slot: its id in the map of stacks; u32 how many frames, u32 the process (ustack). */
	STACK_ID = 0, STACK_FRAMES = 8, STACK_PID = 12, STACK_SLOT = 16,
	USYM_ADDRESS = 0, USYM_PID = 8, USYM_SLOT = 16,
};

/* Whose memory an address belongs to; what a read of it must use. */
enum space { SPACE_NONE, SPACE_KERNEL, SPACE_USER };

/* Interned: two types are equal if and only if their pointers are. */
struct type {
	enum type_kind kind;
	bool sign;
	enum space space; /* pointers, and arrays in a struct: where the bytes are */
	enum stack_mode mode;
	uint32_t size;    /* as C has it: an int8 is 1, string[16] is 16, a buffer its len */
	uint32_t len;
	const struct type *of;
	struct str name; /* struct's or enum's tag; timestamp format */
	const struct field *fields;
	uint32_t nfields;
	const struct enumerator *values; /* of an enum, not NULL even if there are none */
	uint32_t nvalues;
	uint32_t align;   /* of a struct of the script's own, for the layout of others; else 0: by size */
	uint32_t pending; /* a struct whose fields (and size) are not read yet: ctype.c's; 0: it is whole */
	bool is_union;
};

struct enumerator {
	struct str name;
	int64_t value;
};

struct field {
	struct str name; /* empty in tuples */
	const struct type *type;
	uint32_t offset;
	/* A tracepoint's __data_loc: a u32 at `offset`, low half where in the record, high half length. */
	bool data_loc;
	bool rel_loc; /* data_loc too, but "where" counts from the end of the u32: __rel_loc */
	/* A bitfield: so many bits, from that bit of the byte at `offset` on (0 to 7). 0: it is none. */
	uint8_t bits, first_bit;
	struct str ctype; /* the declaration's C type, for listings */
};

struct types {
	struct arena *arena;
	struct table interned;
};

extern const struct type type_error, type_void, type_bool, type_ksym, type_usym,
	type_username;
extern const struct type type_strerror, type_signal, type_syscall, type_macaddr, type_inet;
extern const struct type type_int8, type_int16, type_int32, type_int64;
extern const struct type type_uint8, type_uint16, type_uint32, type_uint64;
/* Of a literal that is a member of a tuple: an int64 that takes the sign of what it is joined with. */
extern const struct type type_soft;

const struct type *type_int(uint32_t size, bool sign);
const struct type *type_string(struct types *, uint32_t capacity);
const struct type *type_buffer(struct types *, uint32_t capacity);
const struct type *type_pointer(struct types *, const struct type *of, enum space);
const struct type *type_array(struct types *, const struct type *of, uint32_t len, enum space);
const struct type *type_tuple(struct types *, const struct type *const *member, uint32_t n);
/* A tuple whose members have names. */
const struct type *type_record(struct types *, const struct type *const *member, const struct str *name,
			       uint32_t n);
const struct type *type_timestamp(struct types *, struct str format);
/* cgroups of the hierarchies that match. */
const struct type *type_cgroup(struct types *, struct str glob);
const struct type *type_stack(struct types *, enum space, enum stack_mode, uint32_t depth);
/* Structs are not interned by content: the maker keeps the pointer. Fields are the arena's. */
const struct type *type_struct(struct types *, struct str name, const struct field *, uint32_t n,
			       uint32_t size);
const struct type *type_enum(struct types *, struct str name, uint32_t size, bool sign,
			     const struct enumerator *, uint32_t n);
const struct field *type_field(const struct type *, struct str name);
/* How many bytes, from its offset on, a field has a part in. */
uint32_t field_bytes(const struct field *);
/* "uint64", "string[16]", "(int64, string[8])", ... in the arena */
const char *type_text(struct arena *, const struct type *);
/* Bytes in a key, value or record: a multiple of 8. */
uint32_t type_slot(const struct type *);
/* A value that lives in one register: integers, bool, pointers, symbols, ... */
bool type_is_scalar(const struct type *);
/* A tuple whose members have names. */
bool type_is_record(const struct type *);
/* An integer whose values have names. */
bool type_is_enum(const struct type *);
/* Integers and booleans. */
bool type_is_integer(const struct type *);
/* Is a number one of an integer type's values? */
bool type_holds(const struct type *, int64_t);

/* ---- aggregations (maps.def) ------------------------------------------------------------ */

enum agg_kind {
	AGG_NONE,
#define AGG(id, words, doc) AGG_##id,
#include "sema/maps.def"
#undef AGG
	AGG_KINDS
};

struct hist_shape {
	uint32_t bits;          /* hist: 2^bits buckets for each power of two, 0..5 */
	int64_t min, max, step; /* lhist */
};

/* tseries: what becomes of several values in one interval. */
enum tseries_how { TSERIES_LAST, TSERIES_AVG, TSERIES_MAX, TSERIES_MIN, TSERIES_SUM, TSERIES_HOWS };

struct tseries {
	uint64_t interval; /* ns */
	uint32_t n;        /* how many intervals are kept */
	enum tseries_how how;
};

/* A series is kept in n buckets of these words, that of an epoch (time / interval) at epoch % n.
 * Weight: how many values, or (last) when; 0: none. A per-CPU value may take 32 KiB. */
enum { TSERIES_VALUE, TSERIES_WEIGHT, TSERIES_EPOCH, TSERIES_WORDS, TSERIES_MAX_INTERVALS = 1365 };
/* Which of the words it is; false: none of them. */
bool tseries_how(struct str, enum tseries_how *);

enum { HIST_BITS_MAX = 5, LHIST_BUCKETS_MAX = 1000 };
uint32_t hist_buckets(uint32_t bits);
uint32_t lhist_buckets(const struct hist_shape *);
/* The bucket of a value, as the generated code computes it (the printer's and the tests' twin). */
uint32_t hist_bucket(int64_t value, uint32_t bits);
uint32_t lhist_bucket(int64_t value, const struct hist_shape *);
/* The least value of bucket `i` (i >= 1; bucket 0 holds the negative values). i may be one past the last. */
uint64_t hist_bound(uint32_t i, uint32_t bits);

/* ---- settings (config.def) -------------------------------------------------------------- */

/* What is done about an attach point without a target: the words of config.def's row; and xbt's own
 * way, an error unless another one of the same probe is there. */
enum missing_probes { MISSING_ERROR, MISSING_WARN, MISSING_IGNORE, MISSING_ALONE };

struct config {
#define NUMBER(name, standard, least, most, old) uint32_t name;
#define FLAG(name, standard) bool name;
#define WORD(name, standard, words) uint32_t name;
#define TEXT(name, standard) struct str name;
#define UNUSED(name)
#include "sema/config.def"
#undef NUMBER
#undef FLAG
#undef WORD
#undef TEXT
#undef UNUSED
};

/* ---- maps ------------------------------------------------------------------------------- */

enum storage {
	STORE_DIRECT,    /* one ARRAY entry, at a known address: u64 present, then the value's slot */
	STORE_HASH,
	STORE_CPU_ARRAY, /* one PERCPU_ARRAY entry: the aggregation's words */
	STORE_CPU_HASH,  /* a keyless map that must shrink has a u64 0 as key */
};

struct map_init {
	const void *key, *value; /* slots, ready to be written; key NULL for a keyless map */
};

struct map {
	struct str name; /* with the @ */
	const struct type *key; /* NULL: keyless; several keys are a tuple */
	const struct type *val; /* of sum, min, max, avg, stats: int64 or uint64 by sign */
	enum agg_kind agg;
	struct hist_shape hist;
	struct tseries series;
	uint32_t id; /* index in the image's user maps */
	uint32_t max_entries;    /* resolve: as declared, 0: not; then plan's choice */
	struct span declared;    /* let @m = hash(10): where; end 0: not */
	bool lru, per_cpu;       /* as declared: old elements make room; each CPU has its values */
	bool shrinks; /* elements may go away: delete() or clear() somewhere */
	bool read_back; /* the script reads the aggregation's values */
	bool key_cut; /* its keys are shorter than the script has them: fit.c */
	bool soft, key_soft; /* only literals were assigned, or used as keys: infer's */
	bool counted; /* len(): its elements are counted in the ledger (of an lruhash, when asked) */
	enum storage storage;
	VEC(struct map_init) init; /* constant assignments that BEGIN starts with */
	struct span at; /* first use, for messages */
};

/* How many u64 words a map's value has on each CPU (aggregations), or in its one value. */
uint32_t agg_words(const struct map *);
/* What min() and max() that a script reads are stored with, by exclusive or: as numbers without sign, of
 * which the greatest is wanted, and zero is less than all. */
uint64_t agg_extreme_mask(const struct map *);
const char *agg_name(enum agg_kind);
/* Is its value a number that scripts can read? */
bool agg_is_readable(enum agg_kind);

/* ---- events: what programs send, and what the runtime then does ------------------------- */

enum event_kind {
#define EVENT(id, doc) EV_##id,
#include "sema/events.def"
#undef EVENT
	EVENT_KINDS
};

/* An event record in the ring buffer: u32 index into the image's events, u32 unused (0), then the
 * slots of `args` in order. */
enum { EVENT_HEADER = 8 };

struct event {
	enum event_kind kind;
	struct str fmt;          /* printf, time, join's separator */
	const struct type *args; /* a tuple; NULL: none */
	const struct map *map;   /* print, clear, zero */
	int64_t top, div;        /* print(@m, top, div): 0 if not given */
	struct span at;
};

/* ---- printf formats (format.c) ---------------------------------------------------------- */

struct conversion {
	uint32_t beg, end;     /* where in the format it stands, '%' included */
	bool left, zero, plus, blank, alt;
	bool star_width, star_precision;
	int width, precision;  /* -1: not given */
	uint8_t length;        /* bytes of an integer: 1 hh, 2 h, 4 (none), 8 l ll j z t */
	char conv;             /* d i u o x X c s p r; '%' takes no argument; 0: malformed */
	char variant;          /* of r: 0, 'x' (%rx), 'h' (%rh), 'g' (%gr) */
};

/* The next conversion at or after *pos, which moves past it. False: there is none. Text between
 * conversions is the caller's. */
bool format_next(struct str fmt, uint32_t *pos, struct conversion *);

/* ---- the ledger: counters in one mmap-able array, so that no loss is silent ------------- */

enum ledger_kind {
	LEDGER_START,       /* not a loss: CLOCK_BOOTTIME ns when tracing began (`elapsed`) */
	LEDGER_EXIT,        /* not a loss: 1 << 32 | status once exit() was called */
	LEDGER_LOST_EVENTS, /* the ring buffer was full */
	LEDGER_MAP_FULL,    /* an update found no room in `map` */
	LEDGER_MAP_LEN,     /* not a loss: elements of `map` */
	LEDGER_STACK_FULL,  /* a stack found no room: it prints as such */
	LEDGER_STACK_CLASH, /* a stack's hash was another's: it prints as that one */
	LEDGER_DIV_ZERO,    /* a division or modulo by zero at `at` */
	LEDGER_FAULT,       /* reads at `at` of memory that is not there: zeros were used */
	LEDGER_LOOP,        /* a for loop at `at` that the kernel refused: more than 8388608 turns */
	LEDGER_KEY_CUT,     /* a key of `map` was longer than the kernel can hold */
	LEDGER_RACE,        /* an update of min() or max() in `map` that other CPUs were in the way of */
	LEDGER_CPID,        /* not a loss: process id of -c's command */
	LEDGER_TAI,         /* not a loss: CLOCK_TAI - CLOCK_BOOTTIME in ns when tracing began */
};

struct ledger_entry {
	enum ledger_kind kind;
	const struct map *map;
	struct span at;
};

#endif

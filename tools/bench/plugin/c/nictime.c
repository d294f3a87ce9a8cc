// nictime: a QEMU TCG plugin that writes down the virtual time, in nanoseconds, of every guest store to given physical
// addresses. The store to a MAC's TDAR, which starts a transmission, is the instant at which the emulated NIC sends.
//
//   -plugin nictime.so,out=FILE,store=0x2188014[,store=…][,pc=FIRST-END…][,entry=ADDR,exit=ADDR,stamp=ADDR[,mark=ADDR,shift=N]]
//
// out gets a record of 16 bytes a store, in host byte order: time (64 bits), address (32 bits), 0 (32 bits). pc= limits
// what is watched to the code between two virtual addresses, which keeps the rest of the guest at its speed; without it
// every store of the guest is looked at.
//
// entry= and exit= are the first and the last instruction of an interrupt handler: out gets a record for each of its
// activations, too, with the address of the entry and, where a store has 0, how many instructions it took, both of these
// included. Only instructions that pc= names count. The time is that of its first store to stamp=, a device's register: the
// clock can be read where a device is accessed, and nowhere else.
//
// mark= is an instruction: out gets a record for each activation that it comes in, with its address, its own time, reckoned
// from the store's, an instruction taking 2^shift ns, and how many there were from the entry to this one.
//
// The interface is declared here, from QEMU's documentation (docs/devel/tcg-plugins.rst), because distributions do not
// package its header. It uses what is the same in API versions 1 (QEMU 4.2 to 8) and 2 to 4 (QEMU 9, 10). One function is
// not in that interface: qemu_clock_get_ns, which Debian's and Ubuntu's QEMU export to their own modules. A QEMU that does
// not is told so at once, and does not start.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

// QEMU's side.

typedef uint64_t plugin_id;
typedef uint32_t meminfo;
typedef struct qemu_info qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;

enum { CB_NO_REGS = 0 };
enum { MEM_W = 2 };

typedef void (*trans_cb)(plugin_id, struct qemu_plugin_tb *);
typedef void (*exec_cb)(unsigned vcpu, void *);
typedef void (*mem_cb)(unsigned vcpu, meminfo, uint64_t vaddr, void *);

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, trans_cb);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, exec_cb, int flags, void *);
extern bool qemu_plugin_mem_is_store(meminfo);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_cb, int flags, int rw, void *);
extern struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(meminfo, uint64_t vaddr);
extern uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);

enum { CLOCK_VIRTUAL = 1 }; // QEMU_CLOCK_VIRTUAL
static int64_t (*clock_ns)(int clock);

EXPORT int qemu_plugin_version = 1;

// QEMU refuses a plugin of a version that it does not know, before it says what it is: so see what it has.
__attribute__((constructor)) static void choose_version(void) {
	if (dlsym(RTLD_DEFAULT, "qemu_plugin_scoreboard_new"))
		qemu_plugin_version = 2;
	*(void **)&clock_ns = dlsym(RTLD_DEFAULT, "qemu_clock_get_ns");
}

// Ours.

enum { MAX_STORES = 8, MAX_RANGES = 64, PAGE_MASK = 0xfff };

static uint64_t stores[MAX_STORES];
static struct { uint64_t first, end; } ranges[MAX_RANGES];
static int n_stores, n_ranges;
static uint64_t entry_pc, exit_pc, stamp_addr, mark_pc, shift;
static int out = -1;

struct record {
	int64_t ns;
	uint32_t addr, count;
};

static void put(struct record r) {
	if (write(out, &r, sizeof r) != sizeof r) {
		perror("nictime: out");
		exit(1);
	}
}

// The activation that is under way.
static struct {
	bool active;
	uint32_t count, stamped, marked; // instructions; those until the store to stamp=, and until mark=, 0: not come
	int64_t ns;              // 0: no such store yet
} activation;

static void on_instruction(unsigned vcpu, void *data) {
	(void)vcpu, (void)data;
	activation.count++;
}

static void on_mark(unsigned vcpu, void *data) {
	(void)vcpu, (void)data;
	activation.marked = ++activation.count;
}

static void on_first(unsigned vcpu, void *data) {
	(void)vcpu, (void)data;
	activation.active = true; // one that a fault ended has left it set
	activation.count = 1;
	activation.ns = 0;
	activation.marked = 0;
}

static void on_last(unsigned vcpu, void *data) {
	(void)vcpu, (void)data;
	if (activation.active && activation.ns && activation.marked)
		put((struct record){activation.ns + ((int64_t)activation.marked - activation.stamped) * (1 << shift),
			(uint32_t)mark_pc, activation.marked});
	if (activation.active)
		put((struct record){activation.ns, (uint32_t)entry_pc, activation.count + 1});
	activation.active = false;
}

static void on_store(unsigned vcpu, meminfo info, uint64_t vaddr, void *data) {
	(void)vcpu, (void)data;
	if (!qemu_plugin_mem_is_store(info)) // QEMU 7.2 reports loads that it had to begin anew, whatever was asked for
		return;
	if (activation.active && !activation.ns && vaddr == stamp_addr) {
		activation.ns = clock_ns(CLOCK_VIRTUAL);
		activation.stamped = activation.count;
	}
	for (int i = 0; i < n_stores; i++) {
		// A page of registers may be mapped anywhere, but whole: the cheap comparison first.
		if ((vaddr ^ stores[i]) & PAGE_MASK)
			continue;
		struct qemu_plugin_hwaddr *hw = qemu_plugin_get_hwaddr(info, vaddr);
		if ((hw ? qemu_plugin_hwaddr_phys_addr(hw) : vaddr) != stores[i])
			continue;
		put((struct record){clock_ns(CLOCK_VIRTUAL), (uint32_t)stores[i], 0});
	}
}

static bool watched(uint64_t pc) {
	for (int i = 0; i < n_ranges; i++)
		if (pc >= ranges[i].first && pc < ranges[i].end)
			return true;
	return n_ranges == 0;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb) {
	(void)id;
	size_t n = qemu_plugin_tb_n_insns(tb);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);
		if (!watched(pc))
			continue;
		qemu_plugin_register_vcpu_mem_cb(insn, on_store, CB_NO_REGS, MEM_W, NULL);
		if (entry_pc)
			qemu_plugin_register_vcpu_insn_exec_cb(insn,
				pc == entry_pc ? on_first : pc == exit_pc ? on_last : pc == mark_pc ? on_mark : on_instruction,
				CB_NO_REGS, NULL);
	}
}

static int refuse(const char *why, const char *what) {
	fprintf(stderr, "nictime: %s%s\n", why, what);
	return -1;
}

static int set(const char *arg) {
	char *end;
	if (!strncmp(arg, "out=", 4)) {
		out = open(arg + 4, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
		return out < 0 ? refuse("cannot create ", arg + 4) : 0;
	}
	if (!strncmp(arg, "store=", 6) && n_stores < MAX_STORES) {
		stores[n_stores++] = strtoull(arg + 6, &end, 0);
		return *end ? refuse("not an address: ", arg) : 0;
	}
	static const struct { const char *name; size_t length; uint64_t *value; } single[] = {
		{"entry=", 6, &entry_pc}, {"exit=", 5, &exit_pc}, {"stamp=", 6, &stamp_addr},
		{"mark=", 5, &mark_pc}, {"shift=", 6, &shift},
	};
	for (size_t i = 0; i < sizeof single / sizeof *single; i++)
		if (!strncmp(arg, single[i].name, single[i].length)) {
			*single[i].value = strtoull(arg + single[i].length, &end, 0);
			return *end ? refuse("not an address: ", arg) : 0;
		}
	if (!strncmp(arg, "pc=", 3) && n_ranges < MAX_RANGES) {
		ranges[n_ranges].first = strtoull(arg + 3, &end, 0);
		if (*end != '-')
			return refuse("not a range: ", arg);
		ranges[n_ranges++].end = strtoull(end + 1, &end, 0);
		return *end ? refuse("not a range: ", arg) : 0;
	}
	return refuse("unknown, or too many of it: ", arg);
}

EXPORT int qemu_plugin_install(plugin_id id, const qemu_info *info, int argc, char **argv) {
	(void)info;
	if (!clock_ns)
		return refuse("this QEMU does not export qemu_clock_get_ns", "");
	for (int i = 0; i < argc; i++)
		if (set(argv[i]))
			return -1;
	if (out < 0 || n_stores == 0)
		return refuse("out= and store= are needed", "");
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}

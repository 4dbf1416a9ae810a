/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is everything as it must be? The truth about pages and tables is the module's; the
 * library's counters and the host's mirror are compared with it. No code is shared
 * with lib/, and the rules of doc/MODEL_SEPT.md are all that is known of it.
 */
#include "private_inside.h"

#include <stdarg.h>
#include <stdio.h>

const char *private_wrong_name(enum vmm_wrong wrong)
{
	static const char *const names[] = {
		"fine", "foreign", "lost", "late", "spare", "leak", "stuck", "broken", "counter",
		"pair", "twice", "stale", "apart", "dry", "harm", "refused", "dead", "held",
		"gone", "uncharged", "size",
	};

	return (unsigned int)wrong < sizeof(names) / sizeof(names[0]) ? names[wrong] : "?";
}

const char *private_wrong_meaning(enum vmm_wrong wrong)
{
	switch (wrong) {
	case VMM_FINE:
		return "nothing was wrong";
	case VMM_SPARE:
		return "pages are prepared or given up for nothing";
	case VMM_LEAK:
		return "a page did not come back";
	case VMM_STUCK:
		return "what was begun does not end";
	case VMM_BROKEN:
		return "an internal check failed";
	case VMM_COUNTER:
		return "a region's counter is not the number of its 4 KiB uses";
	case VMM_PAIR:
		return "a region has a pair and no uses, or uses and no pair";
	case VMM_TWICE:
		return "a page is in two places";
	case VMM_STALE:
		return "a vCPU may still reach a page that has left the secure table";
	case VMM_APART:
		return "mirror and secure table differ, and nobody has the lock";
	case VMM_DRY:
		return "pages ran out where none can be allocated";
	case VMM_HARM:
		return "the host did what hardware punishes later";
	case VMM_REFUSED:
		return "the module refused what should have succeeded";
	case VMM_DEAD:
		return "a VM was given up that could have lived";
	case VMM_HELD:
		return "a spinlock is held while other CPUs are waited for";
	case VMM_GONE:
		return "private memory went that nobody had asked for";
	case VMM_UNCHARGED:
		return "what a VM is charged for is not what it has";
	case VMM_SIZE:
		return "memory is mapped in another size than the guest accepts";
	case VMM_FOREIGN:
	case VMM_LOST:
	case VMM_LATE:
		break;
	}
	return "unknown";
}

void private_wrong(struct private_host *host, enum vmm_wrong wrong, const char *format, ...)
{
	struct vmm_verdict *verdict = &host->verdict;
	va_list arguments;
	size_t used;

	if (verdict->wrong != VMM_FINE)
		return;
	*verdict = (struct vmm_verdict){
		.wrong = wrong, .filled_at = VMM_STEP_NONE, .due_at = VMM_STEP_NONE,
		.rule = UINT32_MAX,
	};
	va_start(arguments, format);
	vsnprintf(verdict->words, sizeof(verdict->words) - 3, format, arguments);
	va_end(arguments);
	for (used = 0; verdict->words[used]; used++)
		;
	verdict->words[used] = '.';
	verdict->words[used + 1] = '\n';
	verdict->words[used + 2] = '\0';
}

/* --- harm and complaints --------------------------------------------------- */

static void look_at_harm(struct private_host *host)
{
	const struct tdx_harm *harm = tdx_harm(host->tdx);

	if (harm->what == TDX_HARM_STALE)
		private_wrong(host, VMM_STALE, "page %u: %s: vCPU %u", harm->page,
			      tdx_harm_text(harm->what), harm->vcpu);
	else if (harm->what != TDX_HARM_NONE)
		private_wrong(host, VMM_HARM, "page %u: %s", harm->page,
			      tdx_harm_text(harm->what));
}

/* With a rule off the library has reason to complain. */
static void look_at_warnings(struct private_host *host)
{
	if (tlbtag_sim_warnings_unseen() == 0)
		return;
	private_wrong(host, VMM_BROKEN, "the library warns: %s", tlbtag_sim_last_warning());
	tlbtag_sim_warnings_reset();
}

/* --- counters and pairs ---------------------------------------------------- */

/* Regions whose counter an agent is about to change. */
static uint32_t regions_in_motion(const struct private_host *host)
{
	uint32_t regions = 0;

	for (uint32_t vm = 0; vm < host->config.vms; vm++)
		for (uint32_t i = 0; i < PRIVATE_AGENTS; i++)
			regions |= host->vm[vm].agent[i].regions;
	return regions;
}

static void look_at_region(struct private_host *host, uint32_t region)
{
	uint64_t first = (uint64_t)region * TDX_REGION_PAGES;
	uint32_t uses = tdx_region_uses(host->tdx, region) + host->lost_uses[region];
	bool has_pair = tdx_region_has_pair(host->tdx, region);
	uint32_t counted = tlbtag_pamt_uses(&host->pamt, first);
	bool is_counted = tlbtag_pamt_is_installed(&host->pamt, first);

	host->counts.accesses++;
	if (counted != uses)
		private_wrong(host, VMM_COUNTER, "region %u: %u pages are in use, %u are counted",
			      region, uses, counted);
	else if (has_pair != is_counted)
		private_wrong(host, VMM_PAIR, "region %u: the module has %s pair, the library %s",
			      region, has_pair ? "a" : "no", is_counted ? "one" : "none");
	else if (has_pair && !uses && !host->is_stuck[region])
		private_wrong(host, VMM_PAIR, "region %u: a pair, no uses, and no failed removal",
			      region);
}

static void look_at_regions(struct private_host *host)
{
	uint32_t moving = regions_in_motion(host);

	if (!host->config.tdx.dynamic_pamt)
		return;
	for (uint32_t region = 0; region < host->config.tdx.regions; region++)
		if (!(moving >> region & 1))
			look_at_region(host, region);
}

/* --- mirror and secure table ----------------------------------------------- */

static bool is_same(const struct private_entry *mirror, const struct tdx_entry *secure)
{
	if (mirror->kind != secure->kind || secure->is_blocked || mirror->frozen_by)
		return false;
	return mirror->kind == TDX_ENTRY_FREE || mirror->page == secure->page;
}

/* What is mapped is guest memory, private, and where its backing says. */
static void look_at_page(struct private_host *host, const struct private_vm *vm, uint64_t gfn,
			 uint32_t page)
{
	const char *what = NULL;

	if (gfn < vm->begin || gfn >= vm->end)
		what = "no memory of the guest";
	else if (vm->is_shared[gfn])
		what = "shared";
	else if (vm->backing[gfn] != page)
		what = "not backed by that";
	if (what)
		private_wrong(host, VMM_APART, "VM %u: guest page %u is mapped and %s", vm->nr,
			      (unsigned int)gfn, what);
}

static void compare(struct private_host *host, struct private_vm *vm, enum tdx_level level,
		    uint64_t gfn)
{
	static const char *const kinds[] = { "nothing", "a page", "a table" };
	const struct tdx_where where = { vm->nr, level, gfn };
	struct tdx_entry secure = tdx_entry(host->tdx, where);
	const struct private_entry *mirror = private_entry_at(vm, where);

	host->counts.accesses++;
	if (!is_same(mirror, &secure))
		private_wrong(host, VMM_APART,
			      "VM %u, guest page %u, level %u: mirror has %s (%u), module %s"
			      " (%u)%s", vm->nr, (unsigned int)gfn, level, kinds[mirror->kind],
			      mirror->page, kinds[secure.kind], secure.page,
			      secure.is_blocked ? ", blocked" : "");
	for (uint32_t i = 0; mirror->kind == TDX_ENTRY_LEAF && i < private_pages_of(level); i++)
		look_at_page(host, vm, gfn + i, mirror->page + i);
}

static void compare_slot(struct private_host *host, struct private_vm *vm, uint32_t slot)
{
	uint64_t first = (uint64_t)slot * TDX_REGION_PAGES;

	if (slot % PRIVATE_SLOTS_PER_TABLE == 0)
		compare(host, vm, TDX_1G, first);
	compare(host, vm, TDX_2M, first);
	for (uint32_t i = 0; vm->middle[slot].kind == TDX_ENTRY_TABLE && i < TDX_REGION_PAGES; i++)
		compare(host, vm, TDX_4K, first + i);
}

/* What is in nobody's hands; of a VM that is dead nothing is known. */
static void look_at_tables(struct private_host *host, struct private_vm *vm)
{
	if (!has_memory(vm) || vm->exclusive != PRIVATE_NOBODY || vm->shared_holders)
		return;
	for (uint32_t slot = 0; slot < PRIVATE_SLOTS; slot++)
		if (vm->touched >> slot & 1)
			compare_slot(host, vm, slot);
	vm->touched = 0;
	if (vm->is_stopped)
		private_wrong(host, VMM_STUCK, "VM %u: its vCPUs were not started again", vm->nr);
}

/* --- conversions ----------------------------------------------------------- */

/* The ends of a range that are inside 2 MiB, looked at page by page. */
static uint32_t count_straddlers(uint64_t begin, uint64_t end)
{
	uint32_t count = 0;

	for (uint64_t page = 0; page < PRIVATE_GFNS; page += TDX_REGION_PAGES)
		count += (begin > page && begin < page + TDX_REGION_PAGES) ||
			 (end > page && end < page + TDX_REGION_PAGES);
	return count;
}

static bool is_conversion(const struct private_agent *agent)
{
	return agent->task == TASK_CONVERT || agent->task == TASK_PUNCH;
}

/* Pages for more splits than there are ends that cut into 2 MiB are for nothing. */
void private_look_at_plan(struct private_host *host, const struct private_agent *agent)
{
	uint32_t enough = count_straddlers(agent->begin, agent->end);

	if (agent->convert.splits > enough)
		private_wrong(host, VMM_SPARE, "%u splits are prepared for %u to %u, %u are enough",
			      agent->convert.splits, (unsigned int)agent->begin,
			      (unsigned int)agent->end, enough);
}

void private_look_at_conversion(struct private_host *host, const struct private_agent *agent)
{
	if (!agent->error && !agent->is_applied)
		private_wrong(host, VMM_STUCK,
			      "VM %u: the conversion of %u to %u ends well, and was not made",
			      agent->vm, (unsigned int)agent->begin, (unsigned int)agent->end - 1);
}

void private_look_at_removal(struct private_host *host, struct private_agent *agent,
			     uint32_t pages)
{
	if (agent->cursor < agent->begin || agent->cursor + pages > agent->end)
		private_wrong(host, VMM_GONE,
			      "VM %u: guest pages %u to %u go, but only %u to %u are meant to",
			      agent->vm, (unsigned int)agent->cursor,
			      (unsigned int)agent->cursor + pages - 1,
			      (unsigned int)agent->begin, (unsigned int)agent->end - 1);
	if (agent->split_failed)
		private_wrong(host, VMM_GONE,
			      "VM %u: guest page %u goes, though a split for that failed",
			      agent->vm, (unsigned int)agent->cursor);
	agent->removed += pages;
}

/* Those that nobody else needs: more than the ends of the range is too many. */
void private_look_at_split(struct private_host *host, struct private_agent *agent, int error)
{
	uint32_t enough = count_straddlers(agent->begin, agent->end);

	if (!is_conversion(agent))
		return;
	agent->split_failed |= error != 0;
	agent->splits += error == 0;
	if (agent->splits > enough)
		private_wrong(host, VMM_SPARE, "VM %u: %u splits for guest pages %u to %u",
			      agent->vm, agent->splits, (unsigned int)agent->begin,
			      (unsigned int)agent->end - 1);
	if (agent->removed)
		private_wrong(host, VMM_GONE, "VM %u: a split comes after %u pages have gone",
			      agent->vm, agent->removed);
}

/* --- sizes ----------------------------------------------------------------- */

static bool is_chosen(const struct private_vm *vm, uint64_t gfn)
{
	return vm->chosen >> gfn / TDX_REGION_PAGES & 1;
}

void private_look_at_leaf(struct private_host *host, const struct private_vm *vm,
			  struct tdx_where where)
{
	if (where.level == TDX_2M && is_chosen(vm, where.gfn))
		private_wrong(host, VMM_SIZE,
			      "VM %u: guest page %u is mapped by 2 MiB, and 4 KiB were chosen",
			      vm->nr, (unsigned int)where.gfn);
}

/*
 * The guest accepted 4 KiB in vain, and nothing went wrong: then it is not mapped by
 * 2 MiB any more; and if that was chosen before already, it is mapped by 4 KiB.
 */
void private_look_at_accept(struct private_host *host, const struct private_agent *agent)
{
	const struct private_vm *vm = &host->vm[agent->vm];
	uint64_t slot = agent->begin / TDX_REGION_PAGES;
	uint8_t kind = vm->middle[slot].kind;

	if (agent->accept != TLBTAG_LEVEL_4K || agent->error || vm->state != VM_LIVE)
		return;
	if (kind == TDX_ENTRY_LEAF)
		private_wrong(host, VMM_STUCK,
			      "VM %u: guest page %u is accepted by 4 KiB and stays mapped by 2 MiB",
			      vm->nr, (unsigned int)agent->begin);
	else if (agent->was_chosen &&
		 (kind == TDX_ENTRY_FREE ||
		  vm->leaf[slot][agent->begin % TDX_REGION_PAGES].kind == TDX_ENTRY_FREE))
		private_wrong(host, VMM_STUCK,
			      "VM %u: guest page %u is accepted by 4 KiB again and not mapped",
			      vm->nr, (unsigned int)agent->begin);
}

/* --- pages ----------------------------------------------------------------- */

static void look_at_account(struct private_host *host, uint32_t vm, enum private_kind kind,
			    enum tlbtag_page_kind as)
{
	const struct tlbtag_account *account = &host->account[vm];

	if (account->now[as] != host->held[vm][kind] ||
	    account->max[as] != host->held_max[vm][kind])
		private_wrong(host, VMM_UNCHARGED,
			      "VM %u has %u pages of kind %u, at most %u, and is charged for %u,"
			      " %u", vm, host->held[vm][kind], kind, host->held_max[vm][kind],
			      account->now[as], account->max[as]);
}

static void look_at_accounts(struct private_host *host)
{
	for (uint32_t vm = 0; vm < host->config.vms; vm++) {
		look_at_account(host, vm, KIND_SEPT, TLBTAG_KIND_SEPT);
		look_at_account(host, vm, KIND_PAMT, TLBTAG_KIND_PAMT);
		look_at_account(host, vm, KIND_CONTROL, TLBTAG_KIND_CONTROL);
	}
}

static bool are_sums_right(const struct tlbtag_pages *pages)
{
	return pages->added + pages->given == pages->count + pages->taken + pages->drained;
}

static void look_at_sums(struct private_host *host, const struct private_vm *vm)
{
	bool right = are_sums_right(&vm->supply.sept) && are_sums_right(&vm->supply.pamt);

	for (uint32_t i = 0; i < host->config.vcpus; i++)
		right &= are_sums_right(&vm->vcpu[i].cache);
	if (!right)
		private_wrong(host, VMM_LEAK, "VM %u: the sums of a stack of pages do not add up",
			      vm->nr);
}

void private_look(struct private_host *host)
{
	look_at_harm(host);
	look_at_accounts(host);
	look_at_warnings(host);
	look_at_regions(host);
	for (uint32_t vm = 0; vm < host->config.vms; vm++) {
		look_at_tables(host, &host->vm[vm]);
		look_at_sums(host, &host->vm[vm]);
	}
}

/*
 * What may be left: what the module refused to give back, its pairs, and what could
 * not be written back.
 */
static bool may_be_left(const struct private_host *host, uint32_t page)
{
	bool is_pamt = tdx_page_use(host->tdx, page) == TDX_USE_PAMT;

	return host->page[page].place == (is_pamt ? PLACE_PAMT : PLACE_LOST);
}

void private_look_for_leaks(struct private_host *host)
{
	for (uint32_t page = 0; page < host->config.tdx.regions * TDX_REGION_PAGES; page++)
		if (host->page[page].place != PLACE_FREE && !may_be_left(host, page))
			private_wrong(host, VMM_LEAK, "page %u was not freed (place %u)", page,
				      host->page[page].place);
}

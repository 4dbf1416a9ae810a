/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a schedule: four actors get, put, reserve, top up, split, remove,
 * sweep, allocate and free control pages, one step at a time and between each other's
 * steps, and the bytes say what the TDX module answers and which allocation fails.
 *
 * A byte's two low bits name the actor, the others what it does: how its step
 * ends, or what it begins. The first byte chooses the design, and whether mappings are
 * made and go by the plans for sizes and ranges (large.h, convert.h), too. When the
 * bytes are used up everything is finished and torn down with no more failures.
 *
 * Who has each page, what the module has, how often each region is used and what the
 * guest has chosen is kept here as well, and compared.
 */
#include <tlbtag/account.h>
#include <tlbtag/control.h>
#include <tlbtag/convert.h>
#include <tlbtag/large.h>
#include <tlbtag/sept.h>
#include <tlbtag/supply.h>
#include <tlbtag/sweep.h>

#include <stdlib.h>
#include <string.h>

#include "../port/sim/tlbtag_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOTS 2u /* mappings of 2 MiB: regions 0 and 1 */
#define REGIONS 4u
#define PAGES 192u /* of the host: regions 2 and 3 in turns */
#define LINKS 16u
#define CONTROLS 8u
#define TURNS_MAX 100000u
#define LEAVES 3u /* of a sweep */
#define GFNS (SLOTS * TLBTAG_REGION_PAGES)
#define DEMOTE_IS_WHOLE (UINT64_C(1) << 51) /* of TDX_FEATURES0 */

/* Where a page of the host is. */
enum place {
	PLACE_FREE = 0,
	PLACE_HELD = 1, /* with an actor, or in a stack */
	PLACE_MODULE = 2,
	PLACE_LOST = 3,
};

enum mapping {
	MAPPING_NONE = 0,
	MAPPING_2M = 1,
	MAPPING_TABLE = 2,
};

struct slot {
	enum mapping secure;
	enum mapping mirror;
	bool mapped[TLBTAG_REGION_PAGES];
	uint64_t sept_page;
	bool is_chosen; /* 4 KiB, by the guest */
};

/* A page of S-EPT that a fault links, and its use. */
struct linker {
	struct tlbtag_pages cache;
	uint64_t linked[LINKS];
	uint32_t linked_count;
	uint64_t page; /* that is being linked, with `pair` at hand */
	tlbtag_page_t pair[TLBTAG_PAIR_PAGES];
	bool is_adding;
	bool is_removing;
};

struct controller {
	struct tlbtag_control op;
	uint64_t page[CONTROLS];
	uint32_t page_count;
	bool is_running;
	bool is_alloc;
	uint64_t freeing;
};

/* What a sweep did to one leaf. */
struct leaf {
	bool blocked;
	bool tracked;
	bool kicked;
	bool written_back;
	bool published;
	uint32_t calls[TLBTAG_SEPT_START_VCPUS + 1];
};

struct range {
	uint64_t begin;
	uint64_t end;
};

/* A conversion, and what it did. */
struct converter {
	struct tlbtag_convert op;
	struct range range;
	bool is_running;
	bool waits; /* for the split or removal that is its step */
	bool sweeps;
	bool is_locked;
	bool has_removed;
	bool split_failed;
	bool is_disturbed; /* by a fault that did not care */
	uint32_t splits;
};

struct mapper {
	struct tlbtag_supply supply;
	struct tlbtag_reserve reserve;
	bool is_reserved;
	struct tlbtag_kit kit;
	struct tlbtag_kit before;
	struct tlbtag_sept_op op;
	struct slot slot[SLOTS];
	uint64_t gfn;
	bool is_running;
	bool blocked;
	bool tracked;
	bool kicked;
	bool vcpus_out;
	bool is_dead;
	bool may_fail; /* some answer was more than one BUSY */
	uint32_t calls[TLBTAG_SEPT_START_VCPUS + 1];
	/* A sweep; else it is a split. */
	bool is_sweep;
	struct tlbtag_sweep sweep;
	struct tlbtag_sept_where list[LEAVES];
	struct leaf leaf[LEAVES];
	struct converter converter;
	struct tlbtag_large large;
	uint64_t large_words[1];
};

struct world {
	struct tlbtag_pamt pamt;
	uint16_t words[REGIONS];
	uint32_t live[REGIONS];
	tlbtag_page_t pair[REGIONS][TLBTAG_PAIR_PAGES];
	bool has_pair[REGIONS];
	uint8_t place[PAGES];
	uint8_t kind[PAGES];
	struct tlbtag_account account;
	uint32_t held[TLBTAG_KINDS];
	uint32_t held_max[TLBTAG_KINDS];
	bool has_ranges;
	bool is_careless;
	uint32_t next;
	struct mapper mapper;
	struct linker linker;
	struct controller controller[2];
	bool is_ending;
};

static void require(bool held)
{
	if (!held)
		abort();
}

/* --- pages ---------------------------------------------------------------------- */

static uint64_t pfn_of(uint32_t page)
{
	return (2 + page % 2) * TLBTAG_REGION_PAGES + page / 2;
}

static uint32_t page_at(uint64_t pfn)
{
	uint32_t page = (uint32_t)(pfn % TLBTAG_REGION_PAGES * 2 + pfn / TLBTAG_REGION_PAGES - 2);

	require(pfn / TLBTAG_REGION_PAGES >= 2 && page < PAGES && pfn_of(page) == pfn);
	return page;
}

static uint32_t region_of(uint64_t pfn)
{
	return (uint32_t)(pfn / TLBTAG_REGION_PAGES);
}

static void move(struct world *world, uint64_t pfn, enum place from, enum place to)
{
	uint8_t *place = &world->place[page_at(pfn)];

	require(*place == from);
	*place = (uint8_t)to;
}

static tlbtag_page_t page_alloc(struct world *world, enum tlbtag_page_kind kind, bool fails)
{
	for (uint32_t tried = 0; tried < PAGES && !fails; tried++) {
		uint32_t page = world->next++ % PAGES;

		if (world->place[page] != PLACE_FREE)
			continue;
		world->place[page] = PLACE_HELD;
		world->kind[page] = (uint8_t)kind;
		if (++world->held[kind] > world->held_max[kind])
			world->held_max[kind] = world->held[kind];
		require(!tlbtag_account_charge(&world->account, kind, 1));
		return pfn_of(page);
	}
	return TLBTAG_PAGE_NONE;
}

static void page_free(struct world *world, tlbtag_page_t page)
{
	enum tlbtag_page_kind kind = (enum tlbtag_page_kind)world->kind[page_at(page)];

	move(world, page, PLACE_HELD, PLACE_FREE);
	world->held[kind]--;
	require(!tlbtag_account_uncharge(&world->account, kind, 1));
}

/* --- the module -------------------------------------------------------------------- */

static void take_pair(struct world *world, uint32_t region, const tlbtag_page_t *pair)
{
	require(!world->has_pair[region]);
	world->has_pair[region] = true;
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++) {
		require(world->kind[page_at(pair[i])] == TLBTAG_KIND_PAMT);
		move(world, pair[i], PLACE_HELD, PLACE_MODULE);
		world->pair[region][i] = pair[i];
	}
}

/* D1, D2: whoever removes a pair has ended the last use. */
static void remove_pair(struct world *world, uint32_t region)
{
	require(world->has_pair[region] && world->live[region] == 0);
	world->has_pair[region] = false;
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++) {
		move(world, world->pair[region][i], PLACE_MODULE, PLACE_HELD);
		page_free(world, world->pair[region][i]);
	}
}

static void count_use(struct world *world, uint64_t pfn, int change)
{
	world->live[region_of(pfn)] += (uint32_t)change;
}

/* --- faults that link a page of S-EPT ------------------------------------------------ */

static void linker_got(struct world *world)
{
	struct linker *linker = &world->linker;

	linker->linked[linker->linked_count++] = linker->page;
	move(world, linker->page, PLACE_HELD, PLACE_MODULE);
	count_use(world, linker->page, 1);
	linker->page = 0;
}

static void linker_give_back(struct linker *linker)
{
	for (uint32_t i = 0; i < TLBTAG_PAIR_PAGES; i++)
		require(tlbtag_pages_give(&linker->cache, linker->pair[i]));
}

static void linker_get(struct world *world)
{
	struct linker *linker = &world->linker;

	switch (tlbtag_pamt_get(&world->pamt, linker->page)) {
	case TLBTAG_PAMT_ADD:
		linker->is_adding = true;
		break;
	case TLBTAG_PAMT_DONE:
		linker_give_back(linker);
		linker_got(world);
		break;
	case TLBTAG_PAMT_WAIT:
		break;
	case TLBTAG_PAMT_REMOVE:
	case TLBTAG_PAMT_REFUSED:
		abort();
	}
}

static void linker_added(struct world *world, bool ok)
{
	struct linker *linker = &world->linker;

	linker->is_adding = false;
	if (ok)
		take_pair(world, region_of(linker->page), linker->pair);
	require(!tlbtag_pamt_get_end(&world->pamt, linker->page, ok));
	if (ok) {
		linker_got(world);
		return;
	}
	linker_give_back(linker);
	page_free(world, linker->page);
	linker->page = 0;
}

static void linker_removed(struct world *world, bool ok)
{
	struct linker *linker = &world->linker;

	linker->is_removing = false;
	if (ok)
		remove_pair(world, region_of(linker->page));
	require(!tlbtag_pamt_put_end(&world->pamt, linker->page, ok));
	page_free(world, linker->page);
	linker->page = 0;
}

static void linker_link(struct world *world, bool fails)
{
	struct linker *linker = &world->linker;

	while (tlbtag_pages_is_short(&linker->cache)) {
		tlbtag_page_t page = page_alloc(world, TLBTAG_KIND_PAMT, fails);

		if (page == TLBTAG_PAGE_NONE)
			return;
		require(tlbtag_pages_add(&linker->cache, page));
	}
	linker->page = page_alloc(world, TLBTAG_KIND_SEPT, fails);
	if (!linker->page)
		return;
	if (tlbtag_pamt_try_get(&world->pamt, linker->page))
		linker_got(world);
	else
		require(tlbtag_pages_take(&linker->cache, linker->pair, TLBTAG_PAIR_PAGES));
}

static void linker_unlink(struct world *world)
{
	struct linker *linker = &world->linker;

	linker->page = linker->linked[--linker->linked_count];
	move(world, linker->page, PLACE_MODULE, PLACE_HELD);
	count_use(world, linker->page, -1);
	linker->is_removing = tlbtag_pamt_put(&world->pamt, linker->page) == TLBTAG_PAMT_REMOVE;
	if (linker->is_removing)
		return;
	page_free(world, linker->page);
	linker->page = 0;
}

static bool linker_is_idle(const struct world *world)
{
	return world->linker.page == 0;
}

static void linker_turn(struct world *world, uint32_t choice)
{
	struct linker *linker = &world->linker;

	if (linker->is_adding)
		linker_added(world, choice % 4 == 0);
	else if (linker->is_removing)
		linker_removed(world, choice % 4 == 0);
	else if (linker->page)
		linker_get(world);
	else if (linker->linked_count && (choice % 2 || linker->linked_count == LINKS))
		linker_unlink(world);
	else if (!world->is_ending)
		linker_link(world, choice % 8 == 6);
}

/* --- control pages --------------------------------------------------------------------- */

/* K1, K2. */
static void controller_done(struct world *world, struct controller *controller)
{
	const struct tlbtag_control *op = &controller->op;

	controller->is_running = false;
	if (!controller->is_alloc) {
		require(op->error == 0 && world->place[page_at(controller->freeing)] != PLACE_HELD);
		return;
	}
	require((op->error == 0) == (op->page != TLBTAG_PAGE_NONE));
	if (op->error)
		return;
	count_use(world, op->pfn, 1);
	controller->page[controller->page_count++] = op->page;
}

static void controller_step(struct world *world, struct controller *controller, uint32_t choice)
{
	struct tlbtag_control *op = &controller->op;
	bool ok = choice % 4 == 0;
	tlbtag_page_t page;

	switch (op->step) {
	case TLBTAG_CONTROL_ALLOC:
		page = page_alloc(world, op->page ? TLBTAG_KIND_PAMT : TLBTAG_KIND_CONTROL,
				  choice % 8 == 7);
		tlbtag_control_page(op, page, page);
		break;
	case TLBTAG_CONTROL_FREE:
		page_free(world, op->spare);
		tlbtag_control_next(op, ok);
		break;
	case TLBTAG_CONTROL_PAMT_ADD:
		if (ok)
			take_pair(world, region_of(op->pfn), op->pair);
		tlbtag_control_next(op, ok);
		break;
	case TLBTAG_CONTROL_PAMT_REMOVE:
		if (ok)
			remove_pair(world, region_of(op->pfn));
		tlbtag_control_next(op, ok);
		break;
	case TLBTAG_CONTROL_WAIT:
	case TLBTAG_CONTROL_DONE:
		tlbtag_control_next(op, ok);
		break;
	}
	if (op->step == TLBTAG_CONTROL_DONE)
		controller_done(world, controller);
}

static void controller_begin(struct world *world, struct controller *controller, uint32_t choice)
{
	bool frees = controller->page_count &&
		     (choice % 2 || world->is_ending || controller->page_count == CONTROLS);

	if (!frees && world->is_ending)
		return;
	controller->is_running = true;
	controller->is_alloc = !frees;
	if (!frees) {
		tlbtag_control_alloc(&controller->op, &world->pamt);
		return;
	}
	controller->freeing = controller->page[--controller->page_count];
	count_use(world, controller->freeing, -1);
	tlbtag_control_free(&controller->op, &world->pamt, controller->freeing,
			    controller->freeing);
}

static void controller_turn(struct world *world, uint32_t nr, uint32_t choice)
{
	struct controller *controller = &world->controller[nr];

	if (controller->is_running)
		controller_step(world, controller, choice);
	else
		controller_begin(world, controller, choice);
}

/* --- splits ------------------------------------------------------------------------------- */

static struct slot *slot_of(struct mapper *mapper)
{
	return &mapper->slot[mapper->gfn / TLBTAG_REGION_PAGES];
}

static void drain_kit(struct world *world, struct tlbtag_kit *kit)
{
	tlbtag_page_t page;

	while ((page = tlbtag_kit_drain(kit)) != TLBTAG_PAGE_NONE)
		page_free(world, page);
}

/* What the module may have of a kit whose DEMOTE was interrupted. */
static void lose_kit(struct world *world)
{
	const struct tlbtag_kit *kit = &world->mapper.before;

	count_use(world, kit->sept, 1);
	move(world, kit->sept, PLACE_HELD, PLACE_LOST);
	for (uint32_t i = 0; i < kit->pamt_count; i++)
		if (world->place[page_at(kit->pamt[i])] == PLACE_HELD)
			move(world, kit->pamt[i], PLACE_HELD, PLACE_LOST);
}

static void demoted(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	struct slot *slot = slot_of(mapper);
	const struct tlbtag_kit *kit = &mapper->kit;

	require(mapper->blocked && mapper->tracked && mapper->kicked);
	require(slot->secure == MAPPING_2M && world->kind[page_at(kit->sept)] == TLBTAG_KIND_SEPT);
	move(world, kit->sept, PLACE_HELD, PLACE_MODULE);
	slot->sept_page = kit->sept;
	count_use(world, kit->sept, 1);
	take_pair(world, region_of(mapper->gfn), &kit->pamt[kit->pamt_count - TLBTAG_PAIR_PAGES]);
	world->live[region_of(mapper->gfn)] = TLBTAG_REGION_PAGES;
	slot->secure = MAPPING_TABLE;
	memset(slot->mapped, 1, sizeof(slot->mapped));
	mapper->blocked = false;
}

/* A SEAMCALL that succeeds. */
static void seamcall(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	const struct tlbtag_sept_op *op = &mapper->op;

	switch (op->step) {
	case TLBTAG_SEPT_PAMT_ADD:
		take_pair(world, region_of(op->where.sept_pfn),
			  &mapper->kit.pamt[mapper->kit.pamt_count - TLBTAG_PAIR_PAGES]);
		break;
	case TLBTAG_SEPT_PAMT_REMOVE:
		remove_pair(world, region_of(op->where.sept_pfn));
		break;
	case TLBTAG_SEPT_BLOCK:
		require(!mapper->blocked);
		mapper->blocked = true;
		mapper->tracked = false;
		mapper->kicked = false;
		break;
	case TLBTAG_SEPT_TRACK:
		mapper->tracked = mapper->blocked;
		break;
	case TLBTAG_SEPT_UNBLOCK:
		require(mapper->blocked);
		mapper->blocked = false;
		break;
	case TLBTAG_SEPT_DEMOTE:
		demoted(world);
		break;
	default:
		abort();
	}
}

static bool is_seamcall(enum tlbtag_sept_step step)
{
	return step == TLBTAG_SEPT_PAMT_ADD || step == TLBTAG_SEPT_PAMT_REMOVE ||
	       step == TLBTAG_SEPT_BLOCK || step == TLBTAG_SEPT_TRACK ||
	       step == TLBTAG_SEPT_DEMOTE || step == TLBTAG_SEPT_REMOVE ||
	       step == TLBTAG_SEPT_UNBLOCK;
}

/* B1: not before the secure table. B3: stopped and started in turns. */
static void plain_step(struct mapper *mapper)
{
	enum tlbtag_sept_step step = mapper->op.step;

	if (step == TLBTAG_SEPT_KICK)
		mapper->kicked = mapper->tracked;
	if (step == TLBTAG_SEPT_PUBLISH) {
		require(mapper->op.is_changed);
		slot_of(mapper)->mirror = slot_of(mapper)->secure;
	}
	if (step == TLBTAG_SEPT_STOP_VCPUS || step == TLBTAG_SEPT_START_VCPUS) {
		require(mapper->vcpus_out == (step == TLBTAG_SEPT_START_VCPUS));
		mapper->vcpus_out = !mapper->vcpus_out;
	}
}

static enum tlbtag_sept_status execute(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	enum tlbtag_sept_step step = mapper->op.step;
	enum tlbtag_sept_status status = (enum tlbtag_sept_status)(choice % 4);

	if (!is_seamcall(step)) {
		plain_step(mapper);
		return TLBTAG_SEPT_OK;
	}
	/* B5 */
	require(++mapper->calls[step] == 1 || (mapper->calls[step] == 2 && mapper->vcpus_out));
	if (status == TLBTAG_SEPT_OK)
		seamcall(world);
	if (status == TLBTAG_SEPT_INTERRUPTED && step == TLBTAG_SEPT_DEMOTE)
		lose_kit(world);
	mapper->may_fail |= status > TLBTAG_SEPT_BUSY ||
			    (status == TLBTAG_SEPT_BUSY &&
			     (mapper->vcpus_out || step == TLBTAG_SEPT_PAMT_ADD));
	return status;
}

static void supply_give(struct world *world)
{
	struct mapper *mapper = &world->mapper;

	if (mapper->supply.design == TLBTAG_SUPPLY_RESERVE) {
		tlbtag_reserve_give(&mapper->reserve, &mapper->kit);
		return;
	}
	tlbtag_supply_give(&mapper->supply, &mapper->kit);
	drain_kit(world, &mapper->kit);
}

/* B2, B3, B4. */
static void mapper_done(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	const struct tlbtag_sept_op *op = &mapper->op;
	const struct tlbtag_kit *kit = &mapper->kit;

	mapper->is_running = false;
	mapper->is_dead |= op->is_dead;
	require(!mapper->vcpus_out && (op->error == 0 || op->error == -EIO));
	require(op->is_dead ||
		(!mapper->blocked && slot_of(mapper)->secure == slot_of(mapper)->mirror));
	require(op->error == 0 || (!op->is_changed && mapper->may_fail));
	for (uint32_t i = 0; i < kit->pamt_count; i++)
		require(world->place[page_at(kit->pamt[i])] == PLACE_HELD);
	supply_give(world);
}

/* --- removals, by sweeps of one leaf or several --------------------------------------------- */

/* R2, R3: of a conversion, exactly its range, and nothing once a split has failed. */
static void may_go(struct mapper *mapper, uint64_t gfn, uint64_t pages)
{
	struct converter *converter = &mapper->converter;

	if (!converter->is_running)
		return;
	require(gfn >= converter->range.begin && gfn + pages <= converter->range.end);
	require(converter->is_locked && !converter->split_failed);
	converter->has_removed = true;
}

static uint64_t pages_of(const struct tlbtag_sept_where *where)
{
	return where->level == TLBTAG_LEVEL_2M ? TLBTAG_REGION_PAGES : 1;
}

/* Below a table the mirror has no entries of its own here: PUBLISH is looked at. */
static bool is_mapped(const struct mapper *mapper, const struct tlbtag_sept_where *where)
{
	const struct slot *slot = &mapper->slot[region_of(where->guest_pfn)];

	if (where->level == TLBTAG_LEVEL_2M)
		return slot->secure == MAPPING_2M;
	return slot->secure == MAPPING_TABLE &&
	       slot->mapped[where->guest_pfn % TLBTAG_REGION_PAGES];
}

static void sweep_removed(struct world *world, const struct leaf *leaf,
			  const struct tlbtag_sept_where *where)
{
	struct slot *slot = &world->mapper.slot[region_of(where->guest_pfn)];

	may_go(&world->mapper, where->guest_pfn, pages_of(where));
	require(leaf->blocked && leaf->kicked && is_mapped(&world->mapper, where));
	if (where->level == TLBTAG_LEVEL_2M) {
		slot->secure = MAPPING_NONE;
		return;
	}
	slot->mapped[where->guest_pfn % TLBTAG_REGION_PAGES] = false;
	count_use(world, where->guest_pfn, -1);
}

/* A SEAMCALL that succeeds. */
static void sweep_seamcall(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	const struct tlbtag_sept_where *where = &mapper->list[mapper->sweep.at];
	struct leaf *leaf = &mapper->leaf[mapper->sweep.at];

	switch (mapper->sweep.step) {
	case TLBTAG_SEPT_BLOCK:
		require(!leaf->blocked);
		leaf->blocked = true;
		break;
	case TLBTAG_SEPT_TRACK:
		for (uint32_t i = 0; i < LEAVES; i++)
			mapper->leaf[i].tracked |= mapper->leaf[i].blocked;
		break;
	case TLBTAG_SEPT_REMOVE:
		sweep_removed(world, leaf, where);
		leaf->blocked = false;
		break;
	case TLBTAG_SEPT_UNBLOCK:
		require(leaf->blocked);
		leaf->blocked = false;
		break;
	case TLBTAG_SEPT_PAMT_REMOVE:
		remove_pair(world, region_of(where->guest_pfn));
		break;
	default:
		abort();
	}
}

/* B1, B3, as for splits. */
static void sweep_plain(struct mapper *mapper)
{
	const struct tlbtag_sept_where *where = &mapper->list[mapper->sweep.at];
	struct leaf *leaf = &mapper->leaf[mapper->sweep.at];
	enum tlbtag_sept_step step = mapper->sweep.step;

	for (uint32_t i = 0; i < LEAVES && step == TLBTAG_SEPT_KICK; i++)
		mapper->leaf[i].kicked |= mapper->leaf[i].tracked;
	leaf->written_back |= step == TLBTAG_SEPT_WRITE_BACK;
	if (step == TLBTAG_SEPT_PUBLISH) {
		require(leaf->written_back && !leaf->published && !is_mapped(mapper, where));
		leaf->published = true;
		if (where->level == TLBTAG_LEVEL_2M)
			mapper->slot[region_of(where->guest_pfn)].mirror = MAPPING_NONE;
	}
	if (step == TLBTAG_SEPT_STOP_VCPUS || step == TLBTAG_SEPT_START_VCPUS) {
		require(mapper->vcpus_out == (step == TLBTAG_SEPT_START_VCPUS));
		mapper->vcpus_out = !mapper->vcpus_out;
	}
}

/* W1, B2, B3. */
static void sweep_done(struct mapper *mapper)
{
	const struct tlbtag_sweep *sweep = &mapper->sweep;

	mapper->is_running = false;
	mapper->is_dead |= sweep->is_dead;
	require(!mapper->vcpus_out && (sweep->error == 0) == (sweep->removed == sweep->count));
	require(sweep->error == 0 || mapper->may_fail);
	for (uint32_t i = 0; i < sweep->count; i++) {
		require(is_mapped(mapper, &mapper->list[i]) == (i >= sweep->removed));
		require(mapper->leaf[i].published == (i < sweep->removed));
		require(!mapper->leaf[i].blocked || sweep->is_dead);
	}
}

/* B5 */
static void sweep_count_call(struct mapper *mapper)
{
	uint32_t calls = ++mapper->leaf[mapper->sweep.at].calls[mapper->sweep.step];

	require(calls == 1 || (calls == 2 && mapper->vcpus_out));
}

static void sweep_step(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	enum tlbtag_sept_status status = (enum tlbtag_sept_status)(choice % 4);
	bool is_pamt = mapper->sweep.step == TLBTAG_SEPT_PAMT_REMOVE;

	if (!is_seamcall(mapper->sweep.step)) {
		status = TLBTAG_SEPT_OK;
		sweep_plain(mapper);
	} else {
		sweep_count_call(mapper);
		if (status == TLBTAG_SEPT_OK)
			sweep_seamcall(world);
		mapper->may_fail |= !is_pamt && (status > TLBTAG_SEPT_BUSY ||
						 (status == TLBTAG_SEPT_BUSY && mapper->vcpus_out));
	}
	if (tlbtag_sweep_next(&mapper->sweep, status) == TLBTAG_SEPT_DONE)
		sweep_done(mapper);
}

static void mapper_start_sweep(struct world *world, uint32_t count)
{
	struct mapper *mapper = &world->mapper;

	memset(mapper->leaf, 0, sizeof(mapper->leaf));
	mapper->is_sweep = true;
	mapper->is_running = true;
	mapper->may_fail = false;
	tlbtag_sweep_begin(&mapper->sweep, &world->pamt, mapper->list, count);
}

/* The first leaves below a table. */
static void mapper_sweep(struct world *world, uint32_t nr)
{
	struct mapper *mapper = &world->mapper;
	const struct slot *slot = &mapper->slot[nr];
	uint32_t count = 0;

	for (uint64_t page = 0; page < TLBTAG_REGION_PAGES && count < LEAVES; page++)
		if (slot->mirror == MAPPING_TABLE && slot->mapped[page])
			mapper->list[count++] = (struct tlbtag_sept_where){
				.guest_pfn = nr * TLBTAG_REGION_PAGES + page,
				.level = TLBTAG_LEVEL_4K,
			};
	if (count)
		mapper_start_sweep(world, count);
}

/* --- the steps of either ------------------------------------------------------------------- */

static void mapper_step(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;

	if (mapper->is_sweep) {
		sweep_step(world, choice);
		return;
	}
	if (tlbtag_sept_next(&mapper->op, execute(world, choice)) == TLBTAG_SEPT_DONE)
		mapper_done(world);
}

/* S4: a reservation that wants no more is never short. */
static bool take_kit(struct world *world)
{
	struct mapper *mapper = &world->mapper;

	mapper->kit = (struct tlbtag_kit){ .sept = TLBTAG_PAGE_NONE };
	if (mapper->supply.design == TLBTAG_SUPPLY_RESERVE) {
		/* A conversion's was complete when it began. */
		if (!mapper->is_reserved ||
		    (!mapper->converter.is_running &&
		     tlbtag_reserve_wants(&mapper->reserve) != TLBTAG_KIND_NONE))
			return false;
		require(tlbtag_reserve_take(&mapper->reserve, &mapper->kit) == 0);
		return true;
	}
	mapper->kit.sept = page_alloc(world, TLBTAG_KIND_SEPT, false);
	if (mapper->kit.sept && tlbtag_supply_take(&mapper->supply, &mapper->kit) == 0)
		return true;
	drain_kit(world, &mapper->kit);
	return false;
}

static void mapper_split(struct world *world, uint32_t nr)
{
	struct mapper *mapper = &world->mapper;
	struct tlbtag_sept_where where = { .guest_pfn = nr * TLBTAG_REGION_PAGES,
					   .level = TLBTAG_LEVEL_2M };

	if (mapper->slot[nr].mirror != MAPPING_2M || !take_kit(world))
		return;
	where.sept_pfn = mapper->kit.sept;
	mapper->before = mapper->kit;
	mapper->gfn = where.guest_pfn;
	mapper->is_sweep = false;
	mapper->is_running = true;
	mapper->may_fail = false;
	memset(mapper->calls, 0, sizeof(mapper->calls));
	require(tlbtag_sept_split(&mapper->op, &world->pamt, &mapper->kit, &where) !=
		TLBTAG_SEPT_DONE);
}

static bool first_mapped(const struct slot *slot, uint64_t *page)
{
	for (*page = 0; *page < TLBTAG_REGION_PAGES; ++*page)
		if (slot->mapped[*page])
			return true;
	return false;
}

static void mapper_zap(struct world *world, uint32_t nr)
{
	struct mapper *mapper = &world->mapper;
	const struct slot *slot = &mapper->slot[nr];
	struct tlbtag_sept_where where = { .guest_pfn = nr * TLBTAG_REGION_PAGES };
	uint64_t page = 0;

	if (slot->mirror == MAPPING_NONE ||
	    (slot->mirror == MAPPING_TABLE && !first_mapped(slot, &page)))
		return;
	where.level = slot->mirror == MAPPING_2M ? TLBTAG_LEVEL_2M : TLBTAG_LEVEL_4K;
	where.guest_pfn += page;
	mapper->list[0] = where;
	mapper_start_sweep(world, 1);
}

/* 2 MiB are mapped, which uses no region; an empty table is first taken away. */
static void mapper_map(struct world *world, uint32_t nr)
{
	struct slot *slot = &world->mapper.slot[nr];

	if (slot->mirror == MAPPING_NONE && !world->has_pair[nr])
		slot->secure = slot->mirror = MAPPING_2M;
}

static void mapper_reserve(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	enum tlbtag_page_kind kind;
	tlbtag_page_t page;

	if (!mapper->is_reserved)
		require(!tlbtag_reserve_begin(&mapper->supply, &mapper->reserve, 1 + choice % 3));
	mapper->is_reserved = true;
	for (uint32_t count = choice; count > 0; count--) {
		kind = tlbtag_reserve_wants(&mapper->reserve);
		if (kind == TLBTAG_KIND_NONE)
			return;
		page = page_alloc(world, kind, false);
		if (page == TLBTAG_PAGE_NONE)
			return;
		require(tlbtag_reserve_add(&mapper->reserve, kind, page));
	}
}

static void mapper_end_reserve(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	tlbtag_page_t page;

	if (!mapper->is_reserved)
		return;
	mapper->is_reserved = false;
	tlbtag_reserve_end(&mapper->supply, &mapper->reserve);
	while ((page = tlbtag_reserve_drain(&mapper->reserve)) != TLBTAG_PAGE_NONE)
		page_free(world, page);
}

static void mapper_top_up(struct world *world, uint32_t count)
{
	struct mapper *mapper = &world->mapper;
	uint32_t before = mapper->supply.pamt.count;

	/* One more than are needed: it must not be kept. */
	for (; count > 0; count--) {
		tlbtag_page_t page = page_alloc(world, TLBTAG_KIND_PAMT, false);

		if (page != TLBTAG_PAGE_NONE && !tlbtag_supply_add(&mapper->supply, page))
			page_free(world, page);
		/* S3 */
		require(mapper->supply.pamt.count <= before ||
			mapper->supply.pamt.count <= TLBTAG_KIT_PAMT);
	}
}

static void mapper_supply(struct world *world, uint32_t choice)
{
	if (world->mapper.supply.design == TLBTAG_SUPPLY_CACHE)
		mapper_top_up(world, choice);
	else if (choice == 0)
		mapper_end_reserve(world);
	else
		mapper_reserve(world, choice);
}

/* --- sizes ---------------------------------------------------------------------------------- */

/*
 * The careless map 2 MiB though a conversion ends inside them. Around its beginning
 * that would be behind it, and nobody could tell.
 */
static bool is_careless(const struct world *world, uint64_t gfn)
{
	return world->is_careless && gfn >= world->mapper.converter.range.end;
}

/* A fault, also while a conversion has dropped the lock. G2: whatever forbids 2 MiB. */
static void fault(struct world *world, uint32_t nr, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	struct slot *slot = &mapper->slot[nr];
	bool has_table = slot->mirror == MAPPING_TABLE;
	/* A pair that could not be removed is in the way of 2 MiB. */
	bool is_small = (world->has_pair[nr] && !has_table) || choice % 4 == 2;
	struct tlbtag_large_fault fault = {
		.gfn = nr * TLBTAG_REGION_PAGES + (choice & 1 ? 511 : 100),
		.backing = is_small ? TLBTAG_LEVEL_4K : TLBTAG_LEVEL_2M,
		.accept = choice & 4 ? TLBTAG_LEVEL_2M : TLBTAG_LEVEL_1G,
		.is_building = choice % 4 == 3,
		.has_table = has_table,
	};
	enum tlbtag_near near = TLBTAG_NEAR_AWAY;

	if (mapper->converter.is_running)
		near = tlbtag_convert_near(&mapper->converter.op, fault.gfn);
	fault.is_edge = near == TLBTAG_NEAR_EDGE && !is_careless(world, fault.gfn);
	if (slot->mirror == MAPPING_2M || near == TLBTAG_NEAR_INSIDE ||
	    tlbtag_large_level(&mapper->large, &fault) == TLBTAG_LEVEL_4K)
		return;
	require(slot->mirror == MAPPING_NONE && !is_small && choice % 4 < 2);
	require(!slot->is_chosen && mapper->large.begin <= nr * TLBTAG_REGION_PAGES);
	slot->secure = slot->mirror = MAPPING_2M;
	mapper->converter.is_disturbed |= near == TLBTAG_NEAR_EDGE && !fault.is_edge;
}

/* G1, G3: a guest that accepts 4 KiB is answered as often as it does. */
static void accept(struct world *world, uint32_t nr)
{
	struct mapper *mapper = &world->mapper;
	struct slot *slot = &mapper->slot[nr];
	bool is_large = slot->mirror == MAPPING_2M;
	const struct tlbtag_large_fault fault = { .gfn = nr * TLBTAG_REGION_PAGES + 107,
						  .accept = TLBTAG_LEVEL_4K };
	bool is_new = tlbtag_large_accept_is_new(&mapper->large, &fault, is_large);

	require(is_new == (is_large || !slot->is_chosen));
	if (!is_new)
		return;
	slot->is_chosen = true;
	require((tlbtag_large_accept(&mapper->large, &fault, is_large) == TLBTAG_LARGE_SPLIT) ==
		is_large);
	require(tlbtag_large_is_inhibited(&mapper->large, fault.gfn));
	mapper_split(world, nr);
}

static void inhibit(struct mapper *mapper, const struct range *range)
{
	tlbtag_large_inhibit(&mapper->large, range->begin, range->end);
	for (uint64_t gfn = range->begin; gfn < range->end; gfn++)
		mapper->slot[region_of(gfn)].is_chosen |= gfn >= mapper->large.begin;
}

/* --- ranges --------------------------------------------------------------------------------- */

static const struct range ranges[] = {
	{ 0, GFNS }, { 0, 512 }, { 1, 511 }, { 100, 612 },
	{ 511, 513 }, { 512, GFNS }, { 256, GFNS }, { 0, 1 },
};

static bool find_leaf(const struct mapper *mapper, uint64_t from, uint64_t to,
		      struct tlbtag_leaf *leaf)
{
	for (uint64_t gfn = from; gfn < to; gfn++) {
		const struct slot *slot = &mapper->slot[region_of(gfn)];
		uint64_t page = gfn % TLBTAG_REGION_PAGES;

		*leaf = (struct tlbtag_leaf){ gfn, TLBTAG_LEVEL_4K };
		if (slot->mirror == MAPPING_2M)
			*leaf = (struct tlbtag_leaf){ gfn - page, TLBTAG_LEVEL_2M };
		if (slot->mirror == MAPPING_2M ||
		    (slot->mirror == MAPPING_TABLE && slot->mapped[page]))
			return true;
	}
	return false;
}

static uint32_t ends_within(const struct range *range)
{
	bool at_begin = range->begin % TLBTAG_REGION_PAGES != 0;
	bool at_end = range->end % TLBTAG_REGION_PAGES != 0;
	bool is_same = region_of(range->begin) == region_of(range->end);

	return at_begin && at_end && is_same ? 1 : (uint32_t)at_begin + at_end;
}

static void convert_begin(struct world *world, const struct range *range, bool sweeps)
{
	struct converter *converter = &world->mapper.converter;

	*converter = (struct converter){ .range = *range, .sweeps = sweeps, .is_running = true };
	tlbtag_convert_begin(&converter->op, range->begin, range->end);
	/* R1 */
	require(converter->op.splits == ends_within(range));
}

static bool wants_pages(const struct mapper *mapper)
{
	if (mapper->supply.design == TLBTAG_SUPPLY_CACHE)
		return tlbtag_supply_need_topup(&mapper->supply);
	return tlbtag_reserve_wants(&mapper->reserve) != TLBTAG_KIND_NONE;
}

static int convert_reserve(struct world *world, bool fails)
{
	struct mapper *mapper = &world->mapper;
	bool is_cache = mapper->supply.design == TLBTAG_SUPPLY_CACHE;

	mapper_end_reserve(world);
	if (!is_cache)
		require(!tlbtag_reserve_begin(&mapper->supply, &mapper->reserve,
					      mapper->converter.op.splits));
	mapper->is_reserved = !is_cache;
	while (wants_pages(mapper)) {
		enum tlbtag_page_kind kind =
			is_cache ? TLBTAG_KIND_PAMT : tlbtag_reserve_wants(&mapper->reserve);
		tlbtag_page_t page = page_alloc(world, kind, fails);

		if (page == TLBTAG_PAGE_NONE)
			return -ENOMEM;
		require(is_cache ? tlbtag_supply_add(&mapper->supply, page) :
				   tlbtag_reserve_add(&mapper->reserve, kind, page));
	}
	return 0;
}

/* The lock is dropped if that is chosen, and others go on. */
static void convert_find(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	struct tlbtag_convert *op = &mapper->converter.op;
	struct tlbtag_leaf leaf;

	if (choice % 4 == 3) {
		fault(world, choice / 4 % SLOTS, choice / 8);
		return;
	}
	tlbtag_convert_found(op, find_leaf(mapper, op->from, op->to, &leaf) ? &leaf : NULL);
	if (mapper->converter.is_disturbed && op->error == -EINVAL)
		tlbtag_sim_warnings_reset();
}

/* S4: a kit that was reserved is there. */
static void convert_split(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	struct converter *converter = &mapper->converter;

	require(++converter->splits <= converter->op.splits && !converter->has_removed);
	converter->waits = true;
	mapper_split(world, region_of(converter->op.leaf.gfn));
	if (mapper->is_running)
		return;
	require(mapper->supply.design == TLBTAG_SUPPLY_CACHE);
	converter->waits = false;
	converter->splits--;
	converter->split_failed = !wants_pages(mapper);
	tlbtag_convert_next(&converter->op, converter->split_failed ? -ENOMEM : -EAGAIN);
}

static void convert_zap(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	const struct tlbtag_convert *op = &mapper->converter.op;
	uint32_t most = mapper->converter.sweeps ? LEAVES : 1;
	struct tlbtag_leaf leaf = op->leaf;
	uint32_t count = 0;
	uint64_t after;

	mapper->converter.waits = true;
	do {
		mapper->list[count] = (struct tlbtag_sept_where){ .guest_pfn = leaf.gfn,
								  .level = leaf.level };
		after = leaf.gfn + pages_of(&mapper->list[count++]);
	} while (count < most && find_leaf(mapper, after, op->to, &leaf) &&
		 tlbtag_convert_takes(op, &leaf));
	mapper_start_sweep(world, count);
}

/* Below this nothing of the range is mapped any more. */
static uint64_t swept_to(const struct mapper *mapper)
{
	const struct tlbtag_sweep *sweep = &mapper->sweep;
	const struct tlbtag_sept_where *last = &mapper->list[sweep->count - 1];

	if (sweep->removed < sweep->count)
		return mapper->list[sweep->removed].guest_pfn;
	return last->guest_pfn + pages_of(last);
}

/* Its split or removal is over. */
static void convert_went(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	struct converter *converter = &mapper->converter;

	converter->waits = false;
	if (!mapper->is_sweep) {
		converter->split_failed |= mapper->op.error != 0;
		tlbtag_convert_next(&converter->op, mapper->op.error);
	} else if (converter->sweeps) {
		tlbtag_convert_swept(&converter->op, mapper->sweep.error, swept_to(mapper));
	} else {
		tlbtag_convert_next(&converter->op, mapper->sweep.error);
	}
}

/* R4: all of the range is gone; or there is a reason. */
static void convert_done(struct mapper *mapper)
{
	struct converter *converter = &mapper->converter;
	int error = converter->op.error;
	struct tlbtag_leaf leaf;

	converter->is_running = false;
	require(!converter->is_locked && error != -EAGAIN);
	require(error != -EINVAL || converter->is_disturbed);
	require(error || !converter->split_failed);
	if (!error)
		require(!find_leaf(mapper, converter->range.begin, converter->range.end, &leaf));
}

static void convert_step(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	struct tlbtag_convert *op = &mapper->converter.op;

	switch (op->step) {
	case TLBTAG_CONVERT_RESERVE:
		tlbtag_convert_next(op, convert_reserve(world, choice % 8 == 7));
		break;
	case TLBTAG_CONVERT_LOCK:
	case TLBTAG_CONVERT_UNLOCK:
		mapper->converter.is_locked = op->step == TLBTAG_CONVERT_LOCK;
		tlbtag_convert_next(op, 0);
		break;
	case TLBTAG_CONVERT_FIND:
		convert_find(world, choice);
		break;
	case TLBTAG_CONVERT_SPLIT:
		convert_split(world);
		break;
	case TLBTAG_CONVERT_ZAP:
		convert_zap(world);
		break;
	case TLBTAG_CONVERT_DONE:
		break;
	}
}

static void convert_turn(struct world *world, uint32_t choice)
{
	struct converter *converter = &world->mapper.converter;

	if (converter->waits)
		convert_went(world);
	else
		convert_step(world, choice);
	if (converter->op.step == TLBTAG_CONVERT_DONE)
		convert_done(&world->mapper);
}

/* --- what begins ---------------------------------------------------------------------------- */

/* The same by the plans for sizes and ranges. */
static void mapper_begin_range(struct world *world, uint32_t choice)
{
	struct mapper *mapper = &world->mapper;
	uint32_t what = choice / 8;
	const struct range *range = &ranges[what % (sizeof(ranges) / sizeof(ranges[0]))];

	switch (choice % 8) {
	case 0:
		fault(world, what % SLOTS, what / 2);
		break;
	case 1:
		mapper_split(world, what % SLOTS);
		break;
	case 2:
		accept(world, what % SLOTS);
		break;
	case 3:
		mapper_supply(world, what);
		break;
	case 4:
	case 5:
		convert_begin(world, range, choice & 1);
		break;
	case 6:
		inhibit(mapper, range);
		break;
	default:
		mapper_zap(world, what % SLOTS);
	}
}

static void mapper_begin(struct world *world, uint32_t choice)
{
	uint32_t nr = choice / 4 % SLOTS;

	if (world->mapper.is_dead)
		return;
	if (world->has_ranges) {
		mapper_begin_range(world, choice);
		return;
	}
	switch (choice % 4) {
	case 0:
		mapper_map(world, nr);
		break;
	case 1:
		mapper_split(world, nr);
		break;
	case 2:
		if (choice / 8 % 2)
			mapper_sweep(world, nr);
		else
			mapper_zap(world, nr);
		break;
	default:
		mapper_supply(world, choice / 4);
	}
}

static bool mapper_is_idle(const struct mapper *mapper)
{
	return !mapper->is_running && !mapper->converter.is_running;
}

static void mapper_turn(struct world *world, uint32_t choice)
{
	if (world->mapper.is_running)
		mapper_step(world, choice);
	else if (world->mapper.converter.is_running)
		convert_turn(world, choice);
	else
		mapper_begin(world, choice);
}

/* --- all of them ------------------------------------------------------------------------------ */

static void turn(struct world *world, uint32_t actor, uint32_t choice)
{
	if (actor == 0)
		mapper_turn(world, choice);
	else if (actor == 1)
		linker_turn(world, choice);
	else
		controller_turn(world, actor - 2, choice);
}

static bool is_quiet(const struct world *world)
{
	return mapper_is_idle(&world->mapper) && linker_is_idle(world) &&
	       !world->controller[0].is_running && !world->controller[1].is_running;
}

/* A1, A2. */
static void check_account(const struct world *world)
{
	for (uint32_t kind = TLBTAG_KIND_SEPT; kind < TLBTAG_KINDS; kind++) {
		require(world->account.now[kind] == world->held[kind]);
		require(world->account.max[kind] == world->held_max[kind]);
	}
}

/* D1, D2 when nobody is at it; S1 always. */
static void check(const struct world *world)
{
	const struct tlbtag_pages *cache = &world->linker.cache;

	require(cache->added + cache->given == cache->count + cache->taken + cache->drained);
	require(tlbtag_sim_warnings() == 0);
	check_account(world);
	for (uint32_t region = 0; region < REGIONS && is_quiet(world); region++) {
		uint64_t pfn = (uint64_t)region * TLBTAG_REGION_PAGES;

		require(tlbtag_pamt_uses(&world->pamt, pfn) == world->live[region]);
		require(tlbtag_pamt_is_installed(&world->pamt, pfn) == world->has_pair[region]);
	}
}

/* Everybody ends what was begun: each waits for an actor that can go on. */
static void finish(struct world *world)
{
	for (uint32_t turns = 0; !is_quiet(world); turns++) {
		require(turns < TURNS_MAX);
		if (!mapper_is_idle(&world->mapper))
			turn(world, 0, 0);
		if (!linker_is_idle(world))
			turn(world, 1, 0);
		for (uint32_t nr = 0; nr < 2; nr++)
			if (world->controller[nr].is_running)
				turn(world, 2 + nr, 0);
		check(world);
	}
}

/* The page of S-EPT of a table: its use ends, and it is the host's again. */
static void free_table(struct world *world, struct slot *slot)
{
	enum tlbtag_pamt_step step;

	count_use(world, slot->sept_page, -1);
	step = tlbtag_pamt_put(&world->pamt, slot->sept_page);
	if (step == TLBTAG_PAMT_REMOVE) {
		remove_pair(world, region_of(slot->sept_page));
		require(!tlbtag_pamt_put_end(&world->pamt, slot->sept_page, true));
	}
	move(world, slot->sept_page, PLACE_MODULE, PLACE_HELD);
	page_free(world, slot->sept_page);
	slot->secure = slot->mirror = MAPPING_NONE;
}

static void tear_slot_down(struct world *world, uint32_t nr)
{
	struct slot *slot = &world->mapper.slot[nr];
	uint64_t page;

	while (slot->mirror == MAPPING_2M ||
	       (slot->mirror == MAPPING_TABLE && first_mapped(slot, &page))) {
		mapper_zap(world, nr);
		finish(world);
	}
	if (slot->mirror == MAPPING_TABLE)
		free_table(world, slot);
}

static void tear_down(struct world *world)
{
	struct mapper *mapper = &world->mapper;
	tlbtag_page_t page;

	world->is_ending = true;
	finish(world);
	mapper_end_reserve(world);
	for (uint32_t nr = 0; nr < SLOTS && !mapper->is_dead; nr++)
		tear_slot_down(world, nr);
	while (world->linker.linked_count) {
		linker_unlink(world);
		finish(world);
	}
	for (uint32_t nr = 0; nr < 2; nr++)
		while (world->controller[nr].page_count) {
			controller_begin(world, &world->controller[nr], 1);
			finish(world);
		}
	while ((page = tlbtag_supply_drain(&mapper->supply)) != TLBTAG_PAGE_NONE)
		page_free(world, page);
	while ((page = tlbtag_pages_drain(&world->linker.cache)) != TLBTAG_PAGE_NONE)
		page_free(world, page);
}

/* Nothing is with nobody; the module has what it did not give back, and dead tables. */
static void check_end(const struct world *world)
{
	uint32_t at_module = 0;
	uint32_t allowed = 0;

	check(world);
	for (uint32_t page = 0; page < PAGES; page++) {
		require(world->place[page] != PLACE_HELD);
		require(world->place[page] != PLACE_LOST || world->mapper.is_dead);
		at_module += world->place[page] == PLACE_MODULE;
	}
	for (uint32_t region = 0; region < REGIONS; region++)
		allowed += world->has_pair[region] ? TLBTAG_PAIR_PAGES : 0;
	for (uint32_t nr = 0; nr < SLOTS; nr++)
		allowed += world->mapper.slot[nr].secure == MAPPING_TABLE;
	require(at_module == allowed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world = calloc(1, sizeof(*world));
	bool is_cache = size && data[0] & 1;

	require(world != NULL);
	world->has_ranges = size && data[0] & 2;
	world->is_careless = size && data[0] & 8;
	tlbtag_sim_warnings_reset();
	/* A slot may begin within 2 MiB. */
	require(!tlbtag_large_init(&world->mapper.large, size && data[0] & 4 ? 100 : 0, GFNS,
				   DEMOTE_IS_WHOLE, world->mapper.large_words));
	require(!tlbtag_pamt_init(&world->pamt, 0, REGIONS, world->words));
	require(!tlbtag_pages_init(&world->linker.cache, tlbtag_pages_fault_min(true, 3)));
	tlbtag_supply_init(&world->mapper.supply,
			   is_cache ? TLBTAG_SUPPLY_CACHE : TLBTAG_SUPPLY_RESERVE, true);
	for (size_t i = 1; i < size; i++) {
		turn(world, data[i] % 4, data[i] / 4);
		check(world);
	}
	tear_down(world);
	check_end(world);
	free(world);
	return 0;
}

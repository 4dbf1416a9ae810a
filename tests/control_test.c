/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * control: alloc and free, with every allocation and every SEAMCALL failing in
 * turn. Guards K1, K2.
 */
#include <tlbtag/control.h>

#include <errno.h>

#include "test.h"

#define PFN 700u
#define NEVER UINT32_MAX

struct host {
	struct tlbtag_pamt pamt;
	uint16_t words[2];
	uint32_t pages; /* that the allocator has given out */
	uint32_t allocs;
	uint32_t failing_alloc; /* which one fails */
	bool add_fails;
	bool remove_fails;
};

static void start(struct host *host, uint32_t uses)
{
	*host = (struct host){ .failing_alloc = NEVER };
	CHECK_EQ(tlbtag_pamt_init(&host->pamt, 0, 2, host->words), 0);
	host->words[1] = (uint16_t)uses;
}

static tlbtag_page_t page_alloc(struct host *host)
{
	if (host->allocs++ == host->failing_alloc)
		return TLBTAG_PAGE_NONE;
	host->pages++;
	return host->allocs;
}

static bool execute(struct host *host, const struct tlbtag_control *op)
{
	switch (op->step) {
	case TLBTAG_CONTROL_FREE:
		CHECK_NE(op->spare, TLBTAG_PAGE_NONE);
		host->pages--;
		return true;
	case TLBTAG_CONTROL_WAIT:
		/* The other CPU has added the pair. */
		return tlbtag_pamt_get_end(&host->pamt, PFN, true) == 0;
	case TLBTAG_CONTROL_PAMT_ADD:
		return !host->add_fails;
	case TLBTAG_CONTROL_PAMT_REMOVE:
		if (!host->remove_fails)
			host->pages -= TLBTAG_PAIR_PAGES;
		return !host->remove_fails;
	default:
		return CHECK(!"a step that is no step");
	}
}

static void carry_out(struct host *host, struct tlbtag_control *op)
{
	while (op->step != TLBTAG_CONTROL_DONE) {
		if (op->step == TLBTAG_CONTROL_ALLOC)
			tlbtag_control_page(op, page_alloc(host), PFN);
		else
			tlbtag_control_next(op, execute(host, op));
	}
}

static tlbtag_page_t control_alloc(struct host *host, int error)
{
	struct tlbtag_control op;

	tlbtag_control_alloc(&op, &host->pamt);
	carry_out(host, &op);
	CHECK_EQ(op.error, error);
	CHECK_EQ(op.page == TLBTAG_PAGE_NONE, error != 0);
	return op.page;
}

static void control_free(struct host *host, tlbtag_page_t page)
{
	struct tlbtag_control op;

	tlbtag_control_free(&op, &host->pamt, page, PFN);
	carry_out(host, &op);
	CHECK_EQ(op.error, 0);
}

TEST(control_first_page_of_a_region_brings_a_pair_and_the_last_takes_it_along)
{
	struct host host;
	tlbtag_page_t first;
	tlbtag_page_t second;

	start(&host, 0);
	first = control_alloc(&host, 0);
	CHECK_EQ(host.pages, 3);
	second = control_alloc(&host, 0);
	CHECK_EQ(host.pages, 4);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, PFN), 2);
	control_free(&host, first);
	CHECK_EQ(host.pages, 3);
	control_free(&host, second);
	CHECK_EQ(host.pages, 0);
	CHECK(!tlbtag_pamt_is_installed(&host.pamt, PFN));
	control_free(&host, TLBTAG_PAGE_NONE);
}

TEST(control_without_dynamic_pamt_is_one_page)
{
	struct host host = { .failing_alloc = NEVER };
	tlbtag_page_t page = control_alloc(&host, 0);

	CHECK_EQ(host.pages, 1);
	control_free(&host, page);
	CHECK_EQ(host.pages, 0);
}

TEST(control_alloc_that_fails_leaves_nothing)
{
	struct host host;

	for (uint32_t failing = 0; failing < 3; failing++) {
		start(&host, 0);
		host.failing_alloc = failing;
		control_alloc(&host, -ENOMEM);
		CHECK_EQ(host.pages, 0);
		CHECK_EQ(host.words[1], 0);
	}
	start(&host, 0);
	host.add_fails = true;
	control_alloc(&host, -EIO);
	CHECK_EQ(host.pages, 0);
	CHECK_EQ(host.words[1], 0);
	start(&host, TLBTAG_REGION_PAGES);
	control_alloc(&host, -EIO);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
	CHECK_EQ(host.pages, 0);
}

TEST(control_that_loses_the_race_frees_its_pair)
{
	struct host host;

	start(&host, 0);
	CHECK_EQ(tlbtag_pamt_get(&host.pamt, PFN), TLBTAG_PAMT_ADD);
	CHECK_NE(control_alloc(&host, 0), TLBTAG_PAGE_NONE);
	CHECK_EQ(host.pages, 1);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, PFN), 2);
}

TEST(control_free_does_not_fail_with_the_module)
{
	struct host host;
	tlbtag_page_t page;

	start(&host, 0);
	page = control_alloc(&host, 0);
	host.remove_fails = true;
	control_free(&host, page);
	/* The pair stays with the module, for the next one. */
	CHECK_EQ(host.pages, TLBTAG_PAIR_PAGES);
	CHECK_EQ(tlbtag_pamt_uses(&host.pamt, PFN), 0);
	page = control_alloc(&host, 0);
	host.remove_fails = false;
	control_free(&host, page);
	CHECK_EQ(host.pages, 0);
}

TEST(control_page_is_not_freed_twice)
{
	struct tlbtag_control op;
	struct host host;

	start(&host, 0);
	control_free(&host, control_alloc(&host, 0));
	tlbtag_control_free(&op, &host.pamt, 1, PFN);
	carry_out(&host, &op);
	CHECK_EQ(op.error, -EIO);
	CHECK_EQ(host.pages, 0);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
}

TEST(control_page_that_nobody_wanted_warns)
{
	struct tlbtag_control op;

	tlbtag_control_free(&op, NULL, TLBTAG_PAGE_NONE, 0);
	CHECK_EQ(tlbtag_control_page(&op, 5, 5), TLBTAG_CONTROL_DONE);
	CHECK_EQ(tlbtag_sim_warnings(), 1);
}

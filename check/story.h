/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stories: a configuration and operations, as text files that replay.
 *
 *	# tlbtag story 1
 *	config vendor=amd cpus=2 ...
 *	create vm=0
 *	store cpu=0 page=3		# what is not said is 0
 *	settle
 *
 * "settle", which can only come last, ends everything and looks for leaks.
 */
#ifndef CHECK_STORY_H
#define CHECK_STORY_H

#include "config.h"

#define STORY_HEAD "# tlbtag story 1"
/* of a world of private memory */
#define STORY_HEAD_PRIVATE "# tlbtag private story 1"
#define STORY_OPS_MAX 4096u
#define STORY_LINE_MAX 1024u

/**
 * struct story - what happened
 * @config: where
 * @settle: at its end everything was destroyed
 * @count: of operations
 * @op: what, in order
 */
struct story {
	struct vmm_config config;
	bool settle;
	unsigned int count;
	struct vmm_op op[STORY_OPS_MAX];
};

/* Without copying room that is not in use. */
void story_copy(struct story *to, const struct story *from);

/* Return: false if the story is full. */
bool story_add(struct story *story, const struct vmm_op *op);

void story_print(const struct check_world *world, const struct story *story, FILE *out);
void story_print_op(const struct check_world *world, const struct vmm_op *op, FILE *out);

/**
 * story_read() - parse a story
 * @world: whose operations it is made of
 * @in: text
 * @name: of the file, for messages
 * @story: filled in
 * @error: at least STORY_LINE_MAX bytes: "NAME:LINE: what is wrong"
 *
 * Return: 0, or -1 with @error filled in.
 */
int story_read(const struct check_world *world, FILE *in, const char *name, struct story *story,
	       char *error);

/* The same for a file by its name, "-" is standard input. */
int story_load(const struct check_world *world, const char *path, struct story *story,
	       char *error);

/* The same of whichever of two worlds the head line names; @world says which. */
int story_load_either(const struct check_world *const worlds[2], const char *path,
		      struct story *story, const struct check_world **world, char *error);

/**
 * story_save() - write a file, or nothing at all
 * @world: whose operations it is made of
 * @path: where; replaced if it is there
 * @story: what
 * @comment: lines that explain it
 *
 * Return: 0 or -errno.
 */
int story_save(const struct check_world *world, const char *path, const struct story *story,
	       const char *comment);

/**
 * struct story_end - how a story went
 * @wrong: the last operation, or settling, showed something wrong
 * @settled: settling did
 * @done: operations applied
 * @accesses: that were checked
 */
struct story_end {
	bool wrong;
	bool settled;
	unsigned int done;
	uint64_t accesses;
	struct vmm_verdict verdict;
};

/**
 * story_play() - run a story
 * @world: kind of world
 * @vmm: restarted first
 * @story: what to do; operations that are impossible are taken out, and so are
 *	those behind the one that showed something wrong
 * @end: filled in
 */
void story_play(const struct check_world *world, struct vmm *vmm, struct story *story,
		struct story_end *end);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * html: the report as one self-contained page: no script, no font and no
 * picture from elsewhere, so that it can be mailed, printed and kept.
 */
#ifndef TLBTAG_CLI_HTML_H
#define TLBTAG_CLI_HTML_H

#include <replay/replay.h>

/**
 * html_write() - write the report on one or more recordings
 * @path: where to; written beside and renamed, so it is complete or absent.
 *	What is there and no regular file, such as a pipe, is written directly
 * @results: what came of the recordings
 * @count: how many
 * @error: receives one line without newline that names the file
 * @size: bytes at @error
 *
 * The same results give the same bytes.
 *
 * Return: 0; -1 with @error set, and nothing is left behind.
 */
int html_write(const char *path, const struct replay_result *results, size_t count, char *error,
	       size_t size);

#endif

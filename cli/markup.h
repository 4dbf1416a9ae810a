/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * markup: text and numbers as HTML. Numbers are made of integers only, so no
 * locale and no division by zero ever shows in a page.
 */
#ifndef TLBTAG_CLI_MARKUP_H
#define TLBTAG_CLI_MARKUP_H

#include <stdint.h>
#include <stdio.h>

/**
 * markup_text() - text from outside
 * @file: where to
 * @text: any bytes; what HTML gives a meaning to is escaped, what is no
 *	printable UTF-8 becomes a replacement character
 */
void markup_text(FILE *file, const char *text);

/* The same, and quoted for a shell if a shell would take it apart. */
void markup_shell(FILE *file, const char *text);

/* 1234567 as 1,234,567 */
void markup_count(FILE *file, uint64_t count);

/* The same with a noun: "1 line", "2 lines". */
void markup_counted(FILE *file, uint64_t count, const char *one, const char *many);

/* A share for a sentence: "20 %", "0.4 %"; 0 % and 100 % are exact. */
void markup_share(FILE *file, uint64_t part, uint64_t whole);

/* A share for a column: "20.1 %"; a dash if there is no whole. */
void markup_share_exact(FILE *file, uint64_t part, uint64_t whole);

/* How many times: "9.32×"; a dash if there is nothing to compare with. */
void markup_times(FILE *file, uint64_t count, uint64_t unit);

/* A length within a drawing, in percent: "12.345%". */
void markup_length(FILE *file, uint64_t part, uint64_t whole);

/**
 * markup_scaled() - a part of a whole on a scale of integers, rounded
 * Return: 0 if there is no whole, UINT64_MAX if the result would be larger.
 */
uint64_t markup_scaled(uint64_t part, uint64_t whole, uint64_t scale);

/* Characters of markup_count(). */
unsigned int markup_count_width(uint64_t count);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * style: the style sheet of a report.
 */
#ifndef TLBTAG_CLI_STYLE_H
#define TLBTAG_CLI_STYLE_H

extern const char *const style_sheet;

#endif

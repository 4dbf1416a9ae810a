/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * style: the style sheet of a report.
 *
 * The hues of reasons are close to those of Okabe and Ito, which people with
 * any kind of colour vision can tell apart; the writing on them is dark in both
 * schemes. Paper gets the light scheme.
 */
#include "style.h"

#define LIGHT                                                                               \
	"--page:#fff;--soft:#f3f4f6;--ink:#16181d;--quiet:#565c66;--grid:#dcdfe4;"          \
	"--edge:#0008;--accent:#4b35c4;--waste:#b4480c;--warn:#fff3d6;--warn-edge:#c98a00;" \
	"--hue0:#b9bfc8;--hue1:#8f97a3;--hue2:#5ab4e6;--hue3:#cf86ad;"                      \
	"--hue4:#2bb08a;--hue5:#f0cf45;--hue6:#e0702a"
#define DARK                                                                                  \
	"--page:#14161a;--soft:#1f2329;--ink:#eceef1;--quiet:#a4abb6;--grid:#343a43;"         \
	"--edge:#14161a;--accent:#a99bff;--waste:#ff9357;--warn:#3a2f14;--warn-edge:#d9a520;" \
	"--hue0:#aab1bc;--hue1:#7f8895;--hue2:#5ab4e6;--hue3:#cf86ad;"                        \
	"--hue4:#2bb08a;--hue5:#f0cf45;--hue6:#e8793a"

const char *const style_sheet =
	":root{color-scheme:light dark;" LIGHT "}\n"
	"@media screen and (prefers-color-scheme:dark){:root{" DARK "}}\n"
	"*{box-sizing:border-box}\n"
	"html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\n"
	"body{margin:0 auto;max-width:1080px;padding:24px 28px 40px;background:var(--page);"
	"color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,"
	"\"Helvetica Neue\",\"Noto Sans\",\"DejaVu Sans\",sans-serif;"
	"-webkit-print-color-adjust:exact;print-color-adjust:exact}\n"
	"header p{margin:0;color:var(--quiet)}\n"
	"h1,h2{overflow-wrap:anywhere;line-height:1.25}\n"
	"h1{font-size:20px;margin:0}\n"
	"h2{font-size:15px;margin:0 0 10px;color:var(--quiet);font-weight:600}\n"
	"h3{font-size:17px;margin:36px 0 6px;line-height:1.3}\n"
	"h4{font-size:15px;margin:22px 0 4px}\n"
	"p{margin:6px 0}\n"
	"a{color:var(--accent)}\n"
	"code{font:13px/1.5 ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace;"
	"overflow-wrap:anywhere}\n"
	"section{margin-top:28px;padding-top:24px;border-top:3px solid var(--ink)}\n"
	".headline{font-size:26px;line-height:1.3;font-weight:650;letter-spacing:-.01em;"
	"margin:0 0 8px;max-width:34em}\n"
	".second{font-size:17px;max-width:50em}\n"
	".note,figcaption{color:var(--quiet);font-size:13px;max-width:62em}\n"
	".waste{color:var(--waste)}\n"
	"figure{margin:0}\n"
	".nowhere{position:absolute;width:0;height:0}\n"
	/* the row of figures */
	"dl.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:8px;"
	"margin:18px 0}\n"
	".figures div{background:var(--soft);border-radius:6px;padding:9px 12px}\n"
	".figures dt{color:var(--quiet);font-size:12px}\n"
	".figures dd{margin:0;font-size:20px;font-weight:600;line-height:1.3;"
	"font-variant-numeric:tabular-nums}\n"
	".figures small{display:block;font-size:12px;font-weight:400;color:var(--quiet)}\n"
	".warnings{background:var(--warn);border-left:4px solid var(--warn-edge);padding:8px 14px;"
	"margin:14px 0}\n"
	".warnings ul{margin:2px 0;padding-left:20px}\n"
	/* paint */
	".h0{fill:var(--hue0)}.h1{fill:var(--hue1)}.h2{fill:var(--hue2)}.h3{fill:var(--hue3)}"
	".h4{fill:var(--hue4)}.h5{fill:var(--hue5)}.h6{fill:var(--hue6)}\n"
	".halo0{stroke:var(--hue0)}.halo1{stroke:var(--hue1)}.halo2{stroke:var(--hue2)}"
	".halo3{stroke:var(--hue3)}.halo4{stroke:var(--hue4)}.halo5{stroke:var(--hue5)}"
	".halo6{stroke:var(--hue6)}\n"
	".hatch{stroke:#0008;stroke-width:1.2;fill:none}.dot{fill:#0009}\n"
	".edge{stroke:var(--edge);stroke-width:1}\n"
	".grid{stroke:var(--grid);stroke-width:1}\n"
	".bound{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:4 3}\n"
	".tick{fill:var(--quiet);font-size:12px;font-variant-numeric:tabular-nums}\n"
	".inside{fill:#111;font-size:12px;stroke-width:6px;stroke-linejoin:round;"
	"paint-order:stroke;pointer-events:none}\n"
	/* legends */
	".legend{display:flex;flex-wrap:wrap;gap:2px 26px;margin:8px 0 12px;font-size:13px}\n"
	".legend b{font-weight:600;color:var(--quiet)}\n"
	".key{display:inline-block;white-space:nowrap;margin-right:10px}\n"
	".swatch{width:15px;height:15px;vertical-align:-2px;margin-right:5px}\n"
	".long{width:30px;height:14px}\n"
	/* pictures: names, bars, numbers */
	".bars,.tags{display:grid;align-items:center;column-gap:10px;font-size:13px}\n"
	".bars{grid-template-columns:max-content minmax(0,1fr) max-content}\n"
	".tags{grid-template-columns:max-content minmax(0,1fr) max-content minmax(0,1fr) "
	"max-content;"
	"row-gap:5px;max-width:760px}\n"
	".tags b{font-weight:600;color:var(--quiet)}\n"
	".track{width:100%;height:30px;display:block}\n"
	".axis{width:100%;height:36px;display:block;overflow:visible}\n"
	".thin{width:100%;height:13px;display:block}.small{width:90px;display:inline-block;"
	"vertical-align:-2px;margin-right:8px}\n"
	".base{fill:var(--soft)}.plain{fill:var(--hue1)}.plain.n-tlbtag,.plain.n-tlbtag-k1{"
	"fill:var(--accent)}\n"
	".name{text-align:right}.name.n-recorded,.name.n-tlbtag{font-weight:700}\n"
	".name.n-tlbtag,.name.n-tlbtag-k1,td.n-tlbtag,td.n-tlbtag-k1{color:var(--accent)}\n"
	".total{text-align:right;font-weight:600;font-variant-numeric:tabular-nums}\n"
	/* flushes over time */
	".axis-name{font-size:12px;color:var(--quiet);margin:0 0 8px}\n"
	".time{display:grid;grid-template-columns:max-content minmax(0,1fr);padding-right:8px}\n"
	".heights{width:46px;height:230px;display:block;overflow:visible}\n"
	".plot{width:100%;height:230px;display:block;overflow:visible}\n"
	".plot path,.swatch path{vector-effect:non-scaling-stroke}\n"
	"path.recorded{fill:var(--hue0);fill-opacity:.55;stroke:var(--quiet);stroke-width:1}\n"
	"path.needed{fill:var(--ink);stroke:none}\n"
	"path.tlbtag{fill:none;stroke:var(--accent);stroke-width:1.8}\n"
	".slice{fill:transparent}.slice:hover{fill:var(--ink);fill-opacity:.12}\n"
	/* tables */
	".scroll{overflow-x:auto}\n"
	"table{border-collapse:collapse;font-size:13px;margin:8px 0;width:100%}\n"
	"th,td{padding:5px 8px;text-align:right;border-bottom:1px solid var(--grid);"
	"vertical-align:top;font-variant-numeric:tabular-nums}\n"
	"th{color:var(--quiet);font-weight:600;vertical-align:bottom;"
	"border-bottom:2px solid var(--quiet)}\n"
	"th.text,td.text{text-align:left;font-variant-numeric:normal}\n"
	".number,td.label{white-space:nowrap}td.zero{color:var(--quiet);opacity:.6}\n"
	"td small{color:var(--quiet)}\n"
	"td.wordy{min-width:170px}\n"
	"td.file{overflow-wrap:anywhere;min-width:170px}\n"
	"footer{margin-top:44px;padding-top:14px;border-top:1px solid var(--grid);"
	"color:var(--quiet);font-size:13px}\n"
	"@media (max-width:760px){.wide{display:none}}\n"
	"@media (max-width:560px){body{padding:16px 14px 30px;font-size:14px}"
	".headline{font-size:21px}.second{font-size:15px}.bars,.tags{font-size:12px;column-gap:6px}"
	".figures dd{font-size:18px}dl.figures{grid-template-columns:1fr 1fr}"
	".tick{font-size:11px}.bars .odd{display:none}.heights{width:36px}}\n"
	"@media print{@page{margin:14mm}body{max-width:none;padding:0;font-size:12px}"
	"section{break-before:page;border-top:0;margin:0;padding:0}"
	"section:first-of-type{break-before:auto}"
	"figure,tr,.warnings,dl.figures{break-inside:avoid}h3,h4,thead{break-after:avoid}"
	".headline{font-size:20px}.scroll{overflow:visible}a{color:inherit}}\n";

/* libedit's wide interface for Swift: el_wset and history_w are variadic, which Swift cannot call, so each shape of arguments has a function here.
   wcwidth is declared because Swift's Glibc module hides it. */
#include <histedit.h>
#include <wchar.h>
typedef wchar_t *(*zs_prompt_fn)(EditLine *);
typedef unsigned char (*zs_key_fn)(EditLine *, int);
int wcwidth(wchar_t c);
static inline EditLine *zs_open(const char *p) { return el_init(p, stdin, stdout, stderr); }
static inline int zs_prompt(EditLine *e, zs_prompt_fn f, wchar_t esc) { return el_wset(e, EL_PROMPT_ESC, f, esc); }
static inline int zs_editor(EditLine *e, const wchar_t *m) { return el_wset(e, EL_EDITOR, m); }
static inline int zs_signal(EditLine *e, int on) { return el_wset(e, EL_SIGNAL, on); }
static inline int zs_setty(EditLine *e, const wchar_t *m, const wchar_t *f) { return el_wset(e, EL_SETTY, m, f, (wchar_t *)NULL); }
static inline int zs_addfn(EditLine *e, const wchar_t *n, zs_key_fn f) { return el_wset(e, EL_ADDFN, n, n, f); }
static inline int zs_bind(EditLine *e, const wchar_t *k, const wchar_t *n) { return el_wset(e, EL_BIND, k, n, (wchar_t *)NULL); }
static inline int zs_use_history(EditLine *e, HistoryW *h) { return el_wset(e, EL_HIST, history_w, h); }
static inline int zs_hist_int(HistoryW *h, HistEventW *v, int op, int n) { return history_w(h, v, op, n); }
static inline int zs_hist_add(HistoryW *h, HistEventW *v, const wchar_t *s) { return history_w(h, v, H_ENTER, s); }
static inline int zs_refresh(EditLine *e) { return el_wset(e, EL_REFRESH); }

/* The part of libcurl's stable ABI that Network calls. The library is opened when the first request is made, so that a session without one
   neither loads it nor needs it to be there, and building needs no headers of it. Its setters and getters are variadic, which Swift cannot
   call: each shape of arguments has a function here that takes the address of the real one. Numbers are those of curl.h and multi.h. */
#ifndef ZS_CURL_H
#define ZS_CURL_H
#include <stddef.h>

enum {
  ZS_CURL_GLOBAL_ALL = 3,
  /* long */
  ZS_CURLOPT_NOPROGRESS = 43, ZS_CURLOPT_NOBODY = 44, ZS_CURLOPT_POST = 47, ZS_CURLOPT_BUFFERSIZE = 98, ZS_CURLOPT_NOSIGNAL = 99,
  ZS_CURLOPT_CONNECTTIMEOUT_MS = 156, ZS_CURLOPT_PROTOCOLS = 181, ZS_CURLOPT_TCP_KEEPALIVE = 213,
  ZS_CURLOPT_SUPPRESS_CONNECT_HEADERS = 265,
  /* pointers */
  ZS_CURLOPT_WRITEDATA = 10001, ZS_CURLOPT_URL = 10002, ZS_CURLOPT_ERRORBUFFER = 10010, ZS_CURLOPT_POSTFIELDS = 10015,
  ZS_CURLOPT_USERAGENT = 10018, ZS_CURLOPT_HTTPHEADER = 10023, ZS_CURLOPT_HEADERDATA = 10029, ZS_CURLOPT_CAINFO = 10065,
  ZS_CURLOPT_ACCEPT_ENCODING = 10102,
  /* functions */
  ZS_CURLOPT_WRITEFUNCTION = 20011, ZS_CURLOPT_HEADERFUNCTION = 20079,
  /* 64 bits */
  ZS_CURLOPT_POSTFIELDSIZE_LARGE = 30120,
  ZS_CURLPROTO_HTTP = 1, ZS_CURLPROTO_HTTPS = 2,
  ZS_CURL_ERROR_SIZE = 256,
};

/* What curl_multi_info_read returns a pointer to. */
struct zs_curl_message {
  int kind; /* 1: a transfer is over */
  void *easy;
  union {
    void *whatever;
    int code;
  } data;
};

typedef size_t (*zs_curl_callback)(char *bytes, size_t size, size_t count, void *context);

static inline int zs_curl_set_long(void *setopt, void *easy, int option, long value) {
  return ((int (*)(void *, int, ...))setopt)(easy, option, value);
}
static inline int zs_curl_set_pointer(void *setopt, void *easy, int option, const void *value) {
  return ((int (*)(void *, int, ...))setopt)(easy, option, value);
}
static inline int zs_curl_set_large(void *setopt, void *easy, int option, long long value) {
  return ((int (*)(void *, int, ...))setopt)(easy, option, value);
}
static inline int zs_curl_set_callback(void *setopt, void *easy, int option, zs_curl_callback value) {
  return ((int (*)(void *, int, ...))setopt)(easy, option, value);
}
static inline int zs_curl_message_code(const struct zs_curl_message *message) { return message->data.code; }

#endif

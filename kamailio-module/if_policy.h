/*
 * if_policy.h - the C ABI of IF.ESCALATE's policy library, libife_policy.so
 *
 * SPDX-License-Identifier: GPL-2.0-or-later OR MIT OR Apache-2.0
 *
 * The gate, which approves or refuses INVITEs, and the producer half of the witness log, for any
 * SIP server that can call C. This header names no type of any SIP server.
 *
 * Conventions
 *  - Names are ife_<noun>_<verb>; arguments are self, inputs, outputs; a const first argument is
 *    only read.
 *  - Every string is pointer + length, need not end in NUL, and may hold any byte. {NULL, 0} is an
 *    absent string.
 *  - Outputs are written only when IFE_OK is returned, except `err`, which is written only when it
 *    is not.
 *  - No function throws, aborts or calls exit. Functions that block say so, and for how long.
 *  - Result codes start at 7000 and are never reused.
 *  - A handle is opened once, before the server forks; every process then attaches itself. One
 *    thread per process: a second thread, or the log callback, that calls with the same handle at
 *    the same time gets IFE_CONCURRENT_USE.
 *  - The library starts no thread, opens no socket, touches no signal and writes to neither stdout
 *    nor stderr.
 */
#ifndef IF_POLICY_H
#define IF_POLICY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IFE_ABI_VERSION 6u

/* Sizes of the fixed buffers in output structs, terminating NUL included. */
#define IFE_TRACE_ID_SIZE 129
#define IFE_HAZARD_SIZE 33
#define IFE_KID_SIZE 65
#define IFE_EXPERT_SIZE 129
#define IFE_CONTACT_SIZE 257
#define IFE_REASON_SIZE 64
#define IFE_DETAIL_SIZE 256
#define IFE_ERROR_SIZE 1024
#define IFE_HASH_SIZE 32
#define IFE_NEXT_HOP_SIZE 80

/* Maximum number of header fields of one kind (Route, Record-Route) in an ife_message. */
#define IFE_ROUTES_MAX 32
/* Begin of the To tags of ife_overload_reply; the buffer for a reply. */
#define IFE_OVERLOAD_TAG "ife503-"
#define IFE_OVERLOAD_REPLY_SIZE 4608

typedef uint32_t ife_result;
#define IFE_OK 7000u
#define IFE_NULL_PARAMETER 7001u    /* a required pointer was NULL */
#define IFE_INVALID_PARAMETER 7002u /* a value is out of range, too long or not UTF-8 */
#define IFE_ABI_MISMATCH 7003u      /* caller and library were built from different headers */
#define IFE_NOT_ATTACHED 7004u      /* no ife_policy_attach in this process since its fork */
#define IFE_ALREADY_ATTACHED 7005u
#define IFE_CLOSED 7006u
#define IFE_CONCURRENT_USE 7007u   /* another thread, or the log callback, uses this handle */
#define IFE_REGISTRY_INVALID 7010u /* err has file, line, column and the remedy */
#define IFE_REGISTRY_BUSY 7011u    /* another process is reloading */
#define IFE_STATE_DIR 7012u        /* state directory unusable: err has the reason */
#define IFE_STATE_FORMAT 7013u     /* shared state of another version or damaged */
#define IFE_WITNESS_FULL 7020u     /* the ring is full: the entry was not accepted */
#define IFE_WITNESS_TIMEOUT 7021u  /* the entry is in the ring but not yet on disk */
#define IFE_WITNESS_TOO_LARGE 7022u
#define IFE_WITNESS_UNAVAILABLE 7023u
#define IFE_WITNESS_OMITTED 7024u /* a refusal that the log's next summary counts */
#define IFE_NOT_FOUND 7030u
#define IFE_BUFFER_TOO_SMALL 7031u /* err has the number of bytes needed */
#define IFE_NOT_FOR_GATE 7032u     /* the message concerns no party of the registry (ife_scope) */
#define IFE_PANIC 7099u            /* a bug in the library, contained; treat as refused */

typedef struct ife_str
{
	const char *ptr;
	size_t len;
} ife_str;

/* Text for a person: NUL-terminated UTF-8 without control characters except LF. */
typedef struct ife_error
{
	char text[IFE_ERROR_SIZE];
} ife_error;

/* DEBUG 7, INFO 6, WARNING 4, ERROR 3: the levels of syslog(3). */
typedef void (*ife_log_callback)(void *ctx, int32_t level, const char *text, size_t text_len);

/*
 * Returns 1 if requests to this host and port reach this server itself, else 0. transport is an
 * ife_transport, or 0 for any. Called inside a function of this library, by the same thread; must
 * not call this library, resolve or block.
 */
typedef int32_t (*ife_is_own_callback)(void *ctx, ife_str host, uint32_t port, uint32_t transport);

typedef enum ife_mode
{
	IFE_MODE_ENFORCE = 0,
	IFE_MODE_SHADOW = 1
} ife_mode;
/* What the gate decides on. */
typedef enum ife_scope
{
	IFE_SCOPE_ALL = 0,     /* every request */
	IFE_SCOPE_REGISTRY = 1 /* requests that concern a party of the registry */
} ife_scope;
typedef enum ife_witness_mode
{
	IFE_WITNESS_REQUIRED = 0,
	IFE_WITNESS_BEST_EFFORT = 1
} ife_witness_mode;
typedef enum ife_transport
{
	IFE_TRANSPORT_UDP = 1,
	IFE_TRANSPORT_TCP = 2,
	IFE_TRANSPORT_TLS = 3,
	IFE_TRANSPORT_SCTP = 4,
	IFE_TRANSPORT_WS = 5,
	IFE_TRANSPORT_WSS = 6
} ife_transport;
typedef enum ife_direction
{
	IFE_DIRECTION_UNKNOWN = 0,
	IFE_DIRECTION_TO_EXPERT = 1,
	IFE_DIRECTION_TO_COUNCIL = 2
} ife_direction;
typedef enum ife_gate
{
	IFE_GATE_NONE = 0,
	IFE_GATE_HEADERS = 1,
	IFE_GATE_REGISTRY = 2,
	IFE_GATE_STANDING = 3,
	IFE_GATE_HAZARD = 4,
	IFE_GATE_SOURCE = 5,
	IFE_GATE_FLOOD = 6,
	IFE_GATE_SIGNATURE = 7,
	IFE_GATE_FRESHNESS = 8,
	IFE_GATE_REPLAY = 9,
	IFE_GATE_QUOTA = 10,
	IFE_GATE_WITNESS = 11,
	IFE_GATE_INTERNAL = 12,
	IFE_GATE_DIALOG = 13
} ife_gate;
#define IFE_GATE_COUNT 14

typedef struct ife_policy ife_policy;

typedef struct ife_options
{
	uint32_t abi_version; /* IFE_ABI_VERSION */
	uint32_t struct_size; /* sizeof(ife_options) */
	ife_str registry_path;
	ife_str state_dir;        /* on tmpfs; made if absent */
	ife_str node;             /* name of this host in the log, 1..64 of [A-Za-z0-9._-] */
	ife_str producer;         /* prefix of the ring names, e.g. "kamailio" */
	uint32_t mode;            /* ife_mode */
	uint32_t witness_mode;    /* ife_witness_mode */
	uint32_t witness_wait_ms; /* 0: do not wait for the disk; at most 10000 */
	uint32_t freshness_s;     /* 0: the registry's freshness_s */
	uint32_t replay_slots;    /* 0: default 262144; rounded up to a power of two */
	uint32_t max_processes;   /* upper bound of process_no + 1 */
	uint32_t owner_uid;       /* owner of the files if root changes user later; 0: unchanged */
	uint32_t owner_gid;       /* their group, likewise */
	uint32_t refusals_per_s;  /* entries about refused requests, from all sources; 0: no bound */
	ife_log_callback log;     /* may be NULL */
	void *log_ctx;
	ife_is_own_callback is_own; /* may be NULL: no address is this server's */
	void *is_own_ctx;
	uint32_t scope; /* ife_scope */
} ife_options;

/* One raw header field: number of occurrences and body of the first one, folding included. */
typedef struct ife_header
{
	ife_str value;
	uint32_t count;
} ife_header;

/* A SIP request or reply as received: untrusted bytes, read only during the call. */
typedef struct ife_message
{
	uint32_t struct_size; /* sizeof(ife_message) */
	uint32_t transport;   /* ife_transport */
	ife_str peer_ip;      /* text form, no brackets */
	uint32_t peer_port;
	uint32_t status_code; /* 0 for a request */
	ife_str reason_phrase;
	ife_str method; /* of the request; for a reply that of CSeq */
	ife_str ruri;
	ife_str from_uri;
	ife_str from_tag;
	ife_str to_uri;
	ife_str to_tag;
	ife_str call_id;
	ife_str contact; /* body of the first Contact header field */
	uint32_t cseq;
	ife_header trace_id;  /* X-IF-Trace-ID */
	ife_header hazard;    /* X-IF-Hazard */
	ife_header signature; /* X-IF-Signature */
	ife_str content_type;
	ife_str body;
	ife_str raw;                  /* the whole message as received, for its SHA-256 */
	const ife_str *routes;        /* bodies of the Route header fields, top to bottom; NULL: none */
	const ife_str *record_routes; /* of the Record-Route header fields */
	uint32_t route_count;         /* at most IFE_ROUTES_MAX */
	uint32_t record_route_count;  /* likewise */
	ife_str other_ruri;           /* if ruri is the current one, the received one, or vice versa */
	uint32_t if_header_count;     /* header fields whose name begins with X-IF- */
} ife_message;

/* Verdict of the gate. Strings are NUL-terminated; empty when not known. */
typedef struct ife_verdict
{
	uint32_t approved;      /* 1 or 0; in shadow mode the verdict of enforce */
	uint32_t gate;          /* ife_gate that rejected; approved: NONE, in a dialog DIALOG */
	uint32_t code;          /* SIP status: 200 when approved */
	uint32_t retry_after_s; /* 0: no Retry-After */
	uint32_t direction;     /* ife_direction */
	uint32_t witnessed;     /* 1: the decision's entry is in the ring; 2: and on disk */
	uint64_t seq;           /* sequence number of the decision's entry */
	uint8_t leaf_hash[IFE_HASH_SIZE];
	char reason[IFE_REASON_SIZE]; /* public: a SIP reason phrase */
	char detail[IFE_DETAIL_SIZE]; /* private, for the log */
	char expert[IFE_EXPERT_SIZE];
	/* In shadow mode also of a refusal, as direction and expert are: the call goes there. */
	char expert_contact[IFE_CONTACT_SIZE];
	char hazard[IFE_HAZARD_SIZE];
	char trace_id[IFE_TRACE_ID_SIZE];
	char kid[IFE_KID_SIZE];
	/* In a dialog: the URI to send to, "sip:192.0.2.1:5060;transport=udp". */
	char next_hop[IFE_NEXT_HOP_SIZE];
} ife_verdict;

/* A decision that waits for the disk, see ife_policy_begin. Plain data: any process that has the
 * handle may use a copy. */
typedef struct ife_ticket
{
	uint32_t waits;      /* 1: the decision waits; 0: the verdict is final */
	uint32_t began;      /* 1: this decision began the call; 0: it repeats another one */
	uint32_t process_no; /* of the process that decided */
	uint32_t reserved;
	uint64_t epoch;    /* of that process's ring */
	uint64_t position; /* of the decision's entry in it */
	uint64_t log_size; /* entries in the log when the wait began */
} ife_ticket;

/* The record of an approved call in the shared state. */
typedef struct ife_call
{
	uint32_t direction;
	uint32_t connected;
	uint8_t leaf_hash[IFE_HASH_SIZE];
	char expert[IFE_EXPERT_SIZE];
	char hazard[IFE_HAZARD_SIZE];
	char trace_id[IFE_TRACE_ID_SIZE];
	char kid[IFE_KID_SIZE];
} ife_call;

typedef struct ife_receipt
{
	uint64_t seq;
	uint32_t on_disk; /* 1: on disk */
	uint8_t leaf_hash[IFE_HASH_SIZE];
} ife_receipt;

/* Counters over all processes since the shared state was made or last reset. */
typedef struct ife_stats
{
	uint64_t approved; /* INVITEs outside a dialog */
	uint64_t rejected[IFE_GATE_COUNT];
	uint64_t errors; /* bugs of the library that were contained */
	uint64_t witness_queued;
	uint64_t witness_dropped;
	uint64_t witness_waits;
	uint64_t reloads;
	uint64_t reload_failures;
	uint64_t active_calls;
	uint64_t replay_used; /* entries of the replay table that have not expired */
	uint64_t replay_slots;
	uint64_t replay_full;      /* signatures refused with 503: table or legacy store full */
	uint64_t calls_full;       /* calls refused with 503: table of calls or of experts full */
	uint64_t buckets_full;     /* requests refused with 503: table of source addresses full */
	uint64_t refusals_omitted; /* refusals without their own entry: refusals_per_s was spent */
	uint64_t registry_generation;
	uint64_t registry_experts;
	uint64_t registry_loaded_unix_s;
	uint64_t started_unix_s;
	uint64_t key_tables;       /* tables of public keys that all processes keep at present */
	uint64_t key_table_bytes;  /* their memory */
	uint64_t not_for_gate;     /* requests with the answer IFE_NOT_FOR_GATE */
	uint64_t overload_refused; /* new calls that ife_overload_reply refused */
} ife_stats;

/* Constants, for any process at any time, also before ife_policy_open. All strings are static and
 * never NULL. */

/* Returns IFE_ABI_VERSION of the library's header. Compare it with your own before any other call.
 * */
uint32_t ife_abi_version(void);
/* Returns the version of the library, for example "1.0.0". */
const char *ife_version(void);
/* Returns the meaning of a result code, for a log; unknown codes have a text too. */
const char *ife_result_text(ife_result code);
/* Returns "headers", "registry", ...; "none" for IFE_GATE_NONE, "unknown" for a number that is no
 * gate. */
const char *ife_gate_name(uint32_t gate);

/*
 * Opens the gate: loads and compiles the registry, publishes its image in the state directory, and
 * makes or re-opens the shared state (about 380 bytes of tmpfs per replay slot, allocated at once).
 *
 * Process   the one that forks the workers, before the fork. Not from a signal handler.
 * options   read during the call; all strings are copied. The log callback must stay callable as
 *           long as any process uses the handle.
 * policy    on IFE_OK a handle for this process and every process forked from it: a token, never
 *           dereferenced.
 * err       may be NULL; on failure the file (registry errors: file:line:column) and the remedy.
 * Returns   IFE_NULL_PARAMETER, IFE_INVALID_PARAMETER (also: 8 handles are open), IFE_ABI_MISMATCH,
 *           IFE_REGISTRY_INVALID, IFE_REGISTRY_BUSY, IFE_STATE_DIR (not on tmpfs, not accessible,
 *           or no room), IFE_STATE_FORMAT (another process uses a shared state of another version
 *           or size; an unused one is replaced), IFE_PANIC.
 * Blocks    while it reads and compiles; up to 2 s more if another process is opening the same
 *           state.
 *
 * A new state refuses every signature older than itself, because the signatures that its
 * predecessor had seen are unknown.
 */
ife_result ife_policy_open(const ife_options *options, ife_policy **policy, ife_error *err);

/*
 * Makes the calling process a worker: maps its own witness ring and writes a START entry.
 *
 * Process     each one that will call ife_policy_check or ife_witness_log, once, after the fork. A
 *             fork of an attached process is not attached; it may attach under a process_no of its
 *             own.
 * process_no  below options.max_processes, and of no other living process that shares the state
 *             directory.
 * Returns     IFE_ALREADY_ATTACHED, IFE_INVALID_PARAMETER, IFE_STATE_DIR, IFE_WITNESS_UNAVAILABLE
 *             (err has the reason; for example a living process owns the ring), IFE_CLOSED,
 *             IFE_PANIC.
 * Blocks      up to 0.2 s if the witness daemon is removing the ring of a dead process.
 */
ife_result ife_policy_attach(ife_policy *policy, uint32_t process_no, ife_error *err);

/*
 * Writes the summary entry for refusals without an entry of their own (refusals_per_s), if it is
 * due. ife_policy_check and ife_witness_log do so too; this function is for the time after a flood,
 * when no call comes. Every five seconds is enough.
 *
 * Process   an attached one; several may do it.
 * Returns   IFE_NOT_ATTACHED, IFE_CLOSED, IFE_PANIC.
 * Blocks    never.
 */
ife_result ife_policy_tend(ife_policy *policy, ife_error *err);

/*
 * Detaches this process, writes a STOP entry if it was attached, and frees the handle's memory in
 * this process. Other processes go on, and the shared state stays for the next start. NULL, a
 * closed handle and a value that is no handle are ignored.
 */
void ife_policy_close(ife_policy *policy);

/*
 * Asks the gate. For an INVITE outside a dialog: runs all gates, records the call, writes the
 * decision's witness entry.
 *
 * For a request with a To-tag: looks up the dialog by Call-ID and both tags, in either order. The
 * request is approved as IFE_GATE_DIALOG if its source address is a known one of its sender, and
 * its Request-URI and Route are the Contact and the route set of the other side. The entry is BYE,
 * ACK (also for PRACK) or REINVITE, its detail the method. verdict->next_hop is the first
 * Record-Route hop of the other side, or its Contact, if that is an IP address that has sent for it
 * or that the registry lists for it; else the address that sent for it last. A re-INVITE from a new
 * address is accepted if the registry lists the address as a source of its sender. Other requests
 * are refused, with an entry: 481 no such dialog, 403 not from a party, 482 addressed to this
 * server, 405 a method without use in these dialogs. BYE and ACK are never refused because the log
 * is full.
 *
 * With IFE_SCOPE_REGISTRY a request is decided on only if it belongs to an approved dialog, or if
 * its From, its Request-URI (current or received) or a Route names a party of the registry, or if
 * it carries a header field of the gate. For any other the answer is IFE_NOT_FOR_GATE: nothing is
 * decided, spent or witnessed. A party is named in any letter case and with any escapes, with or
 * without parameters of the user part, and by its user part at any name of this server if its
 * address is at one of them.
 *
 * An ACK outside an approved dialog is refused without an entry and is not counted: it has no
 * answer, and it follows each refusal.
 *
 * Process   an attached one.
 * msg       only read, during the call. A request, with transport and peer_ip. hazard, trace_id and
 *           signature are the message's headers, or the caller's values for them.
 * verdict   written on IFE_OK, also for a refusal (verdict->approved is 0). After a contained bug:
 *           a refusal by IFE_GATE_INTERNAL with 500.
 * Returns   IFE_OK; IFE_NOT_FOR_GATE (let the request pass); IFE_NULL_PARAMETER,
 *           IFE_INVALID_PARAMETER (among others peer_ip is no address, or msg is a reply),
 *           IFE_ABI_MISMATCH, IFE_NOT_ATTACHED, IFE_CLOSED, IFE_CONCURRENT_USE,
 *           IFE_STATE_FORMAT, IFE_PANIC. Refuse the request at any other result than these two.
 * Blocks    at most witness_wait_ms, only for an INVITE that it approves; one disk write more for a
 *           legacy signature.
 *
 * The same INVITE again (same Call-ID, From-tag, peer address and CSeq, within 32 s, at most three
 * times) gets the same answer and no second entry. With IFE_WITNESS_REQUIRED an INVITE is approved
 * only if its entry is in the ring, an eighth of which is reserved for events of approved calls,
 * and, with witness_wait_ms, on disk in time; otherwise IFE_GATE_WITNESS refuses it with 503. While
 * the witness daemon stalls, one call a second waits for it and the others are refused (with
 * IFE_WITNESS_BEST_EFFORT: pass) at once, until the daemon's next durable batch. A full table of
 * the shared state refuses with 503 too, and is counted (ife_stats). With refusals_per_s, a refusal
 * by gates 1 to 9 or IFE_GATE_DIALOG beyond the budget has no entry (verdict->witnessed is 0) but
 * is counted in a summary, see docs/shared-state.md.
 */
ife_result ife_policy_check(
		ife_policy *policy, const ife_message *msg, ife_verdict *verdict, ife_error *err);

/*
 * Asks the gate as ife_policy_check does, without waiting for the disk. An approval that must wait
 * (witness_wait_ms) gets a ticket. It must not be carried out before ife_ticket_settle has said so,
 * and holds a seat until then: settle each ticket, in any process, soon after witness_wait_ms.
 *
 * verdict   as of ife_policy_check; with a ticket an approval with witnessed 1.
 * ticket    ticket->waits is 1 if the decision waits, else the verdict is final.
 * Otherwise as ife_policy_check.
 * Blocks    never for the disk; one disk write for a legacy signature.
 */
ife_result ife_policy_begin(ife_policy *policy, const ife_message *msg, ife_verdict *verdict,
		ife_ticket *ticket, ife_error *err);

/*
 * Waits until the ticket's entry is on disk. Decides nothing: ife_ticket_settle does.
 *
 * Process   any that has the handle, attached or not.
 * ticket    with waits 1.
 * Returns   IFE_OK: on disk. IFE_WITNESS_TIMEOUT: not within timeout_ms, or never: the ring is
 *           closed or gone. As ife_policy_check.
 * Blocks    at most timeout_ms; 0 only looks.
 */
ife_result ife_ticket_wait(
		ife_policy *policy, const ife_ticket *ticket, uint32_t timeout_ms, ife_error *err);

/*
 * Settles a decision that waits: an approval if its entry is on disk. If it is not,
 * IFE_GATE_WITNESS refuses the call with 503, and its seat is freed; with IFE_WITNESS_BEST_EFFORT
 * it is approved. Call it once for each ticket, when ife_ticket_wait returned IFE_OK or
 * witness_wait_ms is over.
 *
 * Process   an attached one.
 * msg       the request of the decision: its Call-ID, From-tag and CSeq, and for the entry of a
 *           refusal its method, URIs, peer and raw bytes.
 * begun     the verdict of ife_policy_begin.
 * give_up   1: the server cannot keep the call waiting; it is not approved even if the entry is on
 *           disk meanwhile (with IFE_WITNESS_BEST_EFFORT it is approved).
 * verdict   the final one; written on IFE_OK. After a contained bug: a refusal by
 *           IFE_GATE_INTERNAL with 500.
 * Returns   as ife_policy_check. At any other result than IFE_OK refuse the call.
 * Blocks    never.
 */
ife_result ife_ticket_settle(ife_policy *policy, const ife_ticket *ticket, const ife_message *msg,
		const ife_verdict *begun, uint32_t give_up, ife_verdict *verdict, ife_error *err);

/*
 * Writes each gate's answer about msg as a JSON array of {gate, number, outcome, detail} and, where
 * outcome is "refuse", {code, reason}. Spends, counts and witnesses nothing. outcome: "pass",
 * "refuse", "depends" (on the state of the running gate) or "unasked". Dialogs are not looked up.
 *
 * Process   any that has the handle, attached or not.
 * buf       room for buf_len bytes; gets *out_len bytes of JSON without a NUL. 8192 are enough.
 * Returns   as ife_policy_check, and IFE_BUFFER_TOO_SMALL. IFE_NOT_FOR_GATE: nothing is written; a
 *           request with a To-tag has gate reports in any scope.
 */
ife_result ife_policy_explain(const ife_policy *policy, const ife_message *msg, char *buf,
		size_t buf_len, size_t *out_len, ife_error *err);

/*
 * Writes one witness entry about msg and updates its call, even if the ring has no room for the
 * entry.
 *   TRYING, RINGING    the call's lease lasts 240 s more at least; a reply begins the callee's
 *                      dialog
 *   CONNECTED          the lease lasts the expert's max_call_s more; the callee's dialog is
 *                      confirmed
 *   REINVITE           the same for an answered call; a 2xx refreshes the target
 *   CANCEL             the lease of an unanswered call ends in 32 s
 *   FAILED             frees the expert's slot, unless the call is answered
 *   BYE                with both tags of a dialog: the lease ends in 32 s
 *   TERMINATED         of a reply to BYE, or of no reply (status_code 0): ends the dialog, and with
 *                      its last confirmed dialog the call, whose slot is freed. If the reply
 *                      refuses the BYE (not 2xx, 408 or 481), or another answered dialog remains,
 *                      the entry is BYE and the call goes on
 * TRYING, RINGING, CONNECTED and REINVITE record the source address, the Contact and the
 * Record-Route of the side that sent msg, see ife_policy_check.
 *
 * Process   an attached one.
 * msg       only read, during the call. A reply (status_code not 0) gives code and reason. peer_ip
 *           and raw are empty for a reply made by this server. Trace id, hazard, expert and kid are
 *           those of the approved call if there is one, else those of the headers.
 * event     INVITE, TRYING, RINGING, CONNECTED, ACK, REINVITE, CANCEL, BYE, FAILED, TERMINATED,
 *           ...; REJECTED for a request refused before the gate. Not APPROVED, which the gate
 *           writes, nor GAP.
 * detail    free text for a person, any bytes; may be absent.
 * receipt   may be NULL. on_disk is always 0: no event waits.
 * Returns   IFE_WITNESS_OMITTED (REJECTED, or CANCEL of no approved call, beyond refusals_per_s:
 *           counted in a summary; or the event has its entry: a dialog's second CONNECTED,
 *           TERMINATED or FAILED of an ended call), IFE_NOT_FOR_GATE (of no approved call, see
 *           ife_policy_check: nothing is written), IFE_WITNESS_FULL, IFE_WITNESS_UNAVAILABLE,
 *           IFE_INVALID_PARAMETER (event), IFE_NOT_ATTACHED, and as ife_policy_check. A refused
 *           entry leaves a hole in the sequence numbers, which the log reports as GAP.
 * Blocks    never.
 */
ife_result ife_witness_log(ife_policy *policy, const ife_message *msg, ife_str event,
		ife_str detail, ife_receipt *receipt, ife_error *err);

/*
 * Finds the approved call with this Call-ID: under way, or ended within the last 32 s.
 * IFE_NOT_FOUND if there is none. Process: any that has the handle, attached or not. Never blocks.
 */
ife_result ife_call_find(const ife_policy *policy, ife_str call_id, ife_call *call);

/*
 * Decides whether msg, a reply without a transaction, may go to via_ip, the address of its second
 * Via. IFE_OK for a 2xx to an INVITE of an approved dialog (sent again because its ACK was lost,
 * RFC 3261 16.7) from its sender's known address to an address of the other side. Else
 * IFE_NOT_FOUND: drop it; or, with IFE_SCOPE_REGISTRY, IFE_NOT_FOR_GATE: the gate has no call with
 * its Call-ID, and its From names no party.
 *
 * With via_ip absent, msg comes from another address than the one its request was sent to. IFE_OK
 * if that address has sent for this side before or the registry lists it, or if the
 * gate has no such call.
 *
 * Process: any that has the handle, attached or not. Never blocks.
 */
ife_result ife_reply_check(
		const ife_policy *policy, const ife_message *msg, ife_str via_ip, ife_error *err);

/*
 * Returns IFE_OK if the source address is that of a party of the registry or of a call under way,
 * else IFE_NOT_FOUND. A UDP address can be forged: IFE_OK is a reason not to ban the address, and
 * no reason to trust the message.
 *
 * Process: any that has the handle, attached or not. Never blocks; the first call for an address
 * searches the whole registry (100,000 experts: 1 to 2 ms), its answer is kept for a second or
 * until the next registry.
 */
ife_result ife_source_check(ife_policy *policy, ife_str peer_ip, ife_error *err);

/*
 * Refuses a new call for an overloaded server, before the server parses it: writes a 503 with
 * Retry-After, which goes to the source address of the request. For an ACK of such a 503 *out_len
 * is 0: there is nothing to send and nothing else to do. IFE_OVERLOAD_TAG in an ACK is a reason to
 * ask.
 *
 * IFE_NOT_FOUND: the server must handle the datagram, and refuse the call itself if it is still
 * overloaded. So it is with a request in a dialog or of a call that the gate knows; of a source
 * that is no party's (ife_source_check); with any unusual form (a folded header field, two of one
 * name, another transport in Via); and as long as the refusal would have an entry
 * (refusals_per_s; 0: always). In shadow mode, and with IFE_SCOPE_REGISTRY, it is every new call:
 * calls that the gate lets pass then leave no record by which their INVITEs are known again.
 *
 * The refusal is counted, and is part of the next entry about omitted refusals.
 *
 * Process   an attached one.
 * datagram  as received by UDP, only read.
 * buf       room for buf_len bytes, IFE_OVERLOAD_REPLY_SIZE or more; gets *out_len bytes.
 * Returns   also IFE_BUFFER_TOO_SMALL, IFE_INVALID_PARAMETER (peer_ip, peer_port),
 *           IFE_NOT_ATTACHED, and as ife_policy_check.
 * Blocks    never.
 */
ife_result ife_overload_reply(ife_policy *policy, ife_str datagram, ife_str peer_ip,
		uint32_t peer_port, char *buf, size_t buf_len, size_t *out_len, ife_error *err);

/*
 * Ends the call with this Call-ID for an operator, if its end was never seen: frees the expert's
 * slot and writes a TERMINATED entry, "released by an operator". Sends nothing: a call that is
 * still up stays up, and its requests are refused with 481 after 32 s.
 *
 * Process   an attached one.
 * Returns   IFE_NOT_FOUND: no call under way has this Call-ID; and as ife_witness_log, though the
 *           call is ended then too.
 * Blocks    never.
 */
ife_result ife_call_release(ife_policy *policy, ife_str call_id, ife_error *err);

/*
 * Parses, checks and publishes the registry file. Other processes map the new registry at their
 * next check; on failure the old one stays in force for all. Writes a RELOAD entry if this process
 * is attached.
 *
 * Process     any that has the handle, except one that handles calls: it blocks (100,000 experts:
 *             about 1 s).
 * generation  may be NULL; number of the registry in force.
 * Returns     IFE_REGISTRY_INVALID (err: file:line:column and the remedy, up to 20 errors),
 *             IFE_REGISTRY_BUSY (another process is loading),
 *             IFE_STATE_DIR (no room for the image), IFE_CLOSED, IFE_PANIC.
 */
ife_result ife_policy_reload(ife_policy *policy, uint64_t *generation, ife_error *err);

/* Gets the number of the registry in force. Process: any that has the handle. Costs one read of
 * shared memory, so a process may ask for it many times a second. */
ife_result ife_policy_generation(const ife_policy *policy, uint64_t *generation);

/* Sums up the counters of all processes and counts the tables. Process: any that has the handle.
 * Takes up to 1 ms. */
ife_result ife_policy_stats(const ife_policy *policy, ife_stats *stats);
/* Sets the counters to 0 for all processes; tables and calls stay. Process: any that has the
 * handle. */
ife_result ife_policy_stats_reset(ife_policy *policy);

/*
 * Writes experts number offset to offset + limit - 1 of the registry as a JSON array of {id, name,
 * status, hazards, active_calls}; "[]" past the end.
 *
 * Process   any that has the handle, attached or not.
 * buf       room for buf_len bytes; gets *out_len bytes of JSON without a NUL. An expert takes
 *           about 200 bytes, 2000 at most.
 * Returns   as ife_policy_explain.
 */
ife_result ife_policy_experts(const ife_policy *policy, uint32_t offset, uint32_t limit, char *buf,
		size_t buf_len, size_t *out_len, ife_error *err);

/*
 * Writes the contact URIs of experts number offset to offset + limit - 1 of the registry, one a
 * line, an empty line for an expert without a contact; nothing past the end. For the process that
 * resolves their host names before a call.
 *
 * Process   any that has the handle, attached or not.
 * buf       room for buf_len bytes; gets *out_len bytes of text without a NUL. A line takes
 *           IFE_CONTACT_SIZE bytes at most.
 * Returns   as ife_policy_experts.
 */
ife_result ife_policy_contacts(const ife_policy *policy, uint32_t offset, uint32_t limit, char *buf,
		size_t buf_len, size_t *out_len, ife_error *err);

#ifdef __cplusplus
}
#endif
#endif /* IF_POLICY_H */

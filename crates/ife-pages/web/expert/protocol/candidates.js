// The addresses that an SDP offers (RFC 8839 5.1), and what kind they are. Pure.

const CANDIDATE = /^a=candidate:\S+ \d+ \S+ \d+ (\S+) (\d{1,5}) typ \S+/;
const ADDRESSES_MAX = 16;

/** `{host, port}` of each candidate. */
export function addressesOf(sdp) {
  const found = sdp.split(/\r\n|\n/).map((line) => CANDIDATE.exec(line)).filter(Boolean);
  return found.slice(0, ADDRESSES_MAX).map(([, host, port]) => ({ host, port: Number(port) }));
}

/** Whether an address reaches its own machine alone. */
export const isLoopback = (host) => /^127(\.\d{1,3}){3}$/.test(host) || host === "::1";

/** `host:port`, as a URI has it. */
export const written = ({ host, port }) =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

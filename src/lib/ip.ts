/** IP addresses: loopback, and the network that a client counts as. An IPv4 address mapped into IPv6 is the IPv4 one. */
import ipaddr from 'ipaddr.js';

/** An IPv6 client has 2^64 addresses: its network counts. RFC 6177 gives each site a /64 at least. */
const IPV6_PREFIX_GROUPS = 4;

/** Whether the address belongs to this machine. */
export function isLoopback(address: string): boolean {
  return parse(address)?.range() === 'loopback';
}

/** The network that a client's requests are counted by: an IPv4 address, or the /64 of an IPv6 one. */
export function networkOf(address: string): string {
  const parsed = parse(address);
  if (parsed === undefined) return address;
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const groups = parsed.parts.slice(0, IPV6_PREFIX_GROUPS);
  return groups.map((group) => group.toString(16)).join(':');
}

/** Undefined for what is not an address. Forms such as `127.1` are refused: programs read them differently. */
function parse(address: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const isStrict = address.includes(':') ? ipaddr.IPv6.isValid(address) : ipaddr.IPv4.isValidFourPartDecimal(address);
  return isStrict ? ipaddr.process(address) : undefined;
}

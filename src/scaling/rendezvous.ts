/**
 * Shares keys over members by rendezvous hashing (Thaler and Ravishankar, 1998): each key belongs to the member whose
 * score with it is the highest. A member that comes takes keys from all others alike, one that goes leaves its own to
 * them, and no other key moves.
 *
 * @returns The member that the key belongs to; undefined where there is none. The order of the members has no say.
 */
export function ownerOf(key: string, members: readonly string[]): string | undefined {
  const keyHash = fnv1a(key);
  let owner: string | undefined;
  let best = -1;
  for (const member of members) {
    const score = mixed(fnv1a(member) ^ keyHash);
    if (score > best || (score === best && member < owner!)) {
      owner = member;
      best = score;
    }
  }
  return owner;
}

/** FNV-1a of 32 bits, over UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3: each bit of the input flips each bit of the output half the time. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

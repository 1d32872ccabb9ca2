/** What a page carries in itself, so that it opens without a network. */

/** The bytes in an element, which holds them as gzip in base64. It is removed: they are needed once. */
export async function embedded(id: string): Promise<Uint8Array> {
  const holder = byId(id)!;
  const packed = Uint8Array.from(atob(holder.textContent!), (one) => one.charCodeAt(0));
  holder.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

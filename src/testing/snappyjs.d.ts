declare module 'snappyjs' {
  const snappy: {
    compress(bytes: Uint8Array): Uint8Array;
    uncompress(block: Uint8Array): Uint8Array;
  };
  // biome-ignore lint/style/noDefaultExport: the package has nothing else.
  export default snappy;
}

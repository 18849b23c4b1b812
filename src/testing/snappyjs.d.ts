declare module 'snappyjs' {
  const snappy: {
    compress(bytes: Uint8Array): Uint8Array;
    uncompress(block: Uint8Array): Uint8Array;
  };
  export default snappy;
}

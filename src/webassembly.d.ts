/** The part of the WebAssembly API that is used here: Node has it, the types of Node leave it to those of browsers. */
declare namespace WebAssembly {
  interface Memory {
    /** Another one after the memory grew; views of the old one are empty then. */
    readonly buffer: ArrayBuffer;
  }
  type Module = object;
  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  /** What a trap throws: an unreachable instruction, memory out of bounds. */
  class RuntimeError extends Error {}
  function compile(bytes: Uint8Array): Promise<Module>;
  function instantiate(module: Module, imports: object): Promise<Instance>;
}

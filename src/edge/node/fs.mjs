// node:fs, as far as the function uses it: the files of its zip.
export const readFileSync = (path) => {
  const text = globalThis.edge.file(path);
  if (text === undefined) throw Object.assign(new Error(`ENOENT: no such file ${path}`), { code: 'ENOENT' });
  return text;
};

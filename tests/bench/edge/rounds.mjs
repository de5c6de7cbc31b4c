// Times functions fairly: rounds take turns, the median counts, and it is the process's own time: what else runs on a busy machine
// is not counted.

/** The processor time of this process so far, in nanoseconds. */
export function spent() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** Nanoseconds a call of each, the median of seven rounds. */
export function rounds(calls, functions, count = 7) {
  const taken = functions.map(() => []);
  for (let round = -1; round < count; round += 1) {
    functions.forEach((run, index) => {
      const started = spent();
      for (let call = 0; call < calls; call += 1) run();
      // The first round warms up.
      if (round >= 0) taken[index].push((spent() - started) / calls);
    });
  }
  return taken.map(median);
}

export function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

export function table(rows) {
  const shown = (value) => (typeof value === 'number' ? (value < 10 ? value.toFixed(2) : value.toFixed(0)) : value);
  console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, shown(value)]))));
}

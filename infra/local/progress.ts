/** Tells people what takes long, and nothing else. */
export type Log = (sentence: string) => void;

export const withProgress = async <T>(log: Log, sentence: string, work: Promise<T>): Promise<T> => {
  const timer = setTimeout(() => log(sentence), 1000);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
};

/** @file The logarithms of the gamma and beta functions. */

/** Coefficients of Stirling's series: B(2k) / (2k (2k - 1)), from 1/12. */
const stirling = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360_360];
/** Above this the series is exact to double precision; below, Gamma(x) = Gamma(x + 1) / x leads there. */
const seriesFrom = 10;

/** ln Gamma(x) for x > 0, relative error below 1e-13. */
export function lnGamma(x: number): number {
  if (!(x > 0)) throw new RangeError(`lnGamma is for numbers above 0, not for ${x}`);
  let shift = 0;
  let z = x;
  for (; z < seriesFrom; z++) shift += Math.log(z);
  const series = stirling.reduce((sum, coefficient, k) => sum + coefficient / z ** (2 * k + 1), 0);
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/** ln B(a, b) = ln Gamma(a) + ln Gamma(b) - ln Gamma(a + b). */
export const lnBeta = (a: number, b: number): number => lnGamma(a) + lnGamma(b) - lnGamma(a + b);

// The flow, its measure and its bounds, as vgf.flow, vgf.kernels and vgf.theory have them, for the plane and in float64.
// The page computes everything itself; a test runs both on the same particles and holds them equal. Particles are flat,
// [x0, y0, x1, y1, ...]. Every constant comes from the page's data, which vgf.book.explorer wrote; none is repeated here.
(function (vgf) {
  "use strict";

  const ROOT_E = Math.sqrt(Math.E);

  /** The reward the particles follow: the true bumps and, for an error > 0, one more of that height at every place. */
  function followed(reward, places, width, error) {
    if (!(error > 0)) return reward;
    return {
      centres: [...reward.centres, ...places],
      widths: [...reward.widths, ...places.map(() => width)],
      heights: [...reward.heights, ...places.map(() => error)],
    };
  }

  function value(bumps, x, y) {
    let sum = 0;
    for (let k = 0; k < bumps.widths.length; k++) {
      const dx = x - bumps.centres[k][0], dy = y - bumps.centres[k][1];
      sum += bumps.heights[k] * Math.exp(-(dx * dx + dy * dy) / (2 * bumps.widths[k] ** 2));
    }
    return sum;
  }

  function values(bumps, particles) {
    return Float64Array.from({ length: particles.length / 2 }, (_, i) =>
      value(bumps, particles[2 * i], particles[2 * i + 1]));
  }

  /** Gradient of the reward at every particle. */
  function scores(bumps, particles) {
    const out = new Float64Array(particles.length);
    for (let i = 0; i < particles.length; i += 2) {
      for (let k = 0; k < bumps.widths.length; k++) {
        const dx = bumps.centres[k][0] - particles[i], dy = bumps.centres[k][1] - particles[i + 1];
        const square = bumps.widths[k] ** 2;
        const pull = bumps.heights[k] * Math.exp(-(dx * dx + dy * dy) / (2 * square)) / square;
        out[i] += pull * dx;
        out[i + 1] += pull * dy;
      }
    }
    return out;
  }

  /** The top that ascent from a point leads to: where the weighted mean of the centres is the point itself. */
  function topFrom(bumps, [x, y]) {
    for (let k = 0; k < 200; k++) {
      let weight = 0, u = 0, v = 0;
      bumps.centres.forEach(([cx, cy], i) => {
        const square = bumps.widths[i] ** 2;
        const w = (bumps.heights[i] * Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * square))) / square;
        weight += w;
        u += w * cx;
        v += w * cy;
      });
      [x, y] = [u / weight, v / weight];
    }
    return [x, y];
  }

  /** c, an upper bound of |grad Q|. */
  function lipschitz(bumps) {
    return bumps.heights.reduce((sum, height, k) => sum + height / bumps.widths[k], 0) / ROOT_E;
  }

  /** The k-th smallest (from 0) of an array, which is reordered on the way. */
  function select(array, k) {
    let low = 0, high = array.length - 1;
    while (low < high) {
      const pivot = array[(low + high) >> 1];
      let i = low, j = high;
      while (i <= j) {
        while (array[i] < pivot) i++;
        while (array[j] > pivot) j--;
        if (i <= j) {
          const swap = array[i];
          array[i++] = array[j];
          array[j--] = swap;
        }
      }
      if (k <= j) high = j;
      else if (k >= i) low = i;
      else break;
    }
    return array[k];
  }

  /** The median heuristic: over all N x N squared distances, of which N are zero and every other one occurs twice. */
  function medianBandwidth(particles, floor) {
    const n = particles.length / 2, all = n * n;
    const pairs = new Float64Array((n * (n - 1)) / 2);
    for (let i = 0, at = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const dx = particles[2 * i] - particles[2 * j], dy = particles[2 * i + 1] - particles[2 * j + 1];
        pairs[at++] = dx * dx + dy * dy;
      }
    }
    const ranked = rank => (rank <= n ? 0 : select(pairs, Math.ceil((rank - n) / 2) - 1)); // rank counts from 1
    const low = (all + 1) >> 1;
    const median = all % 2 ? ranked(low) : (ranked(low) + ranked(low + 1)) / 2;
    return Math.sqrt(median / (2 * Math.log(n + 1)) + floor);
  }

  /** Sum of the kernel over all pairs of one set with another. */
  function kernelTotal(a, b, sigma) {
    const scale = -1 / (2 * sigma * sigma);
    let sum = 0;
    for (let i = 0; i < a.length; i += 2) {
      const x = a[i], y = a[i + 1];
      for (let j = 0; j < b.length; j += 2) {
        const dx = x - b[j], dy = y - b[j + 1];
        sum += Math.exp(scale * (dx * dx + dy * dy));
      }
    }
    return sum;
  }

  /** The same of a set with itself: half the pairs. */
  function kernelTotalOwn(a, sigma) {
    const scale = -1 / (2 * sigma * sigma);
    let sum = 0;
    for (let i = 2; i < a.length; i += 2) {
      const x = a[i], y = a[i + 1];
      for (let j = 0; j < i; j += 2) {
        const dx = x - a[j], dy = y - a[j + 1];
        sum += Math.exp(scale * (dx * dx + dy * dy));
      }
    }
    return 2 * sum + a.length / 2;
  }

  /** Squared MMD of two sets of equal size; `own` is what kernelTotalOwn gives for the first. */
  function mmd2(start, own, moved, sigma) {
    const n = start.length / 2;
    return (own + kernelTotalOwn(moved, sigma) - 2 * kernelTotal(start, moved, sigma)) / (n * n);
  }

  /** The Stein direction: attraction and, if wanted, repulsion. */
  function direction(particles, score, sigma, temperature, repulsion) {
    const length = particles.length, n = length / 2, square = sigma * sigma, scale = -1 / (2 * square);
    const out = new Float64Array(length);
    const pull = 1 / (n * temperature), push = repulsion ? 1 / (n * square) : 0;
    for (let i = 0; i < length; i += 2) {
      const x = particles[i], y = particles[i + 1], gx = score[i], gy = score[i + 1];
      let ox = pull * gx, oy = pull * gy; // the particle's own share: k = 1, no repulsion
      for (let j = 0; j < i; j += 2) {
        const dx = x - particles[j], dy = y - particles[j + 1];
        const kernel = Math.exp(scale * (dx * dx + dy * dy));
        const to = kernel * pull, away = kernel * push;
        ox += to * score[j] + away * dx;
        oy += to * score[j + 1] + away * dy;
        out[j] += to * gx - away * dx;
        out[j + 1] += to * gy - away * dy;
      }
      out[i] += ox;
      out[i + 1] += oy;
    }
    return out;
  }

  /** The two parts of the direction at particle i, apart: what draws it to value, and what pushes it from the others. */
  function forces(particles, score, i, sigma, temperature, repulsion) {
    const n = particles.length / 2, x = particles[2 * i], y = particles[2 * i + 1], square = sigma * sigma;
    const attraction = [0, 0], away = [0, 0];
    for (let j = 0; j < particles.length; j += 2) {
      const dx = x - particles[j], dy = y - particles[j + 1];
      const kernel = Math.exp(-(dx * dx + dy * dy) / (2 * square));
      attraction[0] += (kernel * score[j]) / (n * temperature);
      attraction[1] += (kernel * score[j + 1]) / (n * temperature);
      if (repulsion) {
        away[0] += (kernel * dx) / (n * square);
        away[1] += (kernel * dy) / (n * square);
      }
    }
    return { attraction, repulsion: away };
  }

  /** The next state, projected onto the box: a step along phi, or phi handed to Adam. */
  function step(state, phi, settings, data) {
    const { beta1, beta2, eps } = data.adam, [low, high] = data.box, t = state.step + 1;
    const particles = Float64Array.from(state.particles);
    let { first, second } = state;
    if (settings.optimizer === "adam") {
      first = first.map((m, i) => beta1 * m - (1 - beta1) * phi[i]);
      second = second.map((v, i) => beta2 * v + (1 - beta2) * phi[i] * phi[i]);
    }
    for (let i = 0; i < particles.length; i++) {
      const move = settings.optimizer === "adam"
        ? -(first[i] / (1 - beta1 ** t)) / (Math.sqrt(second[i] / (1 - beta2 ** t)) + eps)
        : phi[i];
      particles[i] = Math.min(high, Math.max(low, particles[i] + settings.step_size * move));
    }
    return { particles, first, second, step: t };
  }

  /** B, the largest norm of the Stein direction. */
  function directionBound(temperature, c, sigma, repulsion) {
    return c / temperature + (repulsion ? 1 / (sigma * ROOT_E) : 0);
  }

  /** C_t: no coordinate moves further than the learning rate times this at Adam step t. */
  function adamStepBound(t, { beta1, beta2 }) {
    let sum = 0;
    for (let i = 1; i <= t; i++) {
      const w = ((1 - beta1) * beta1 ** (t - i)) / (1 - beta1 ** t);
      sum += (w * w * (1 - beta2 ** t)) / ((1 - beta2) * beta2 ** (t - i));
    }
    return Math.sqrt(sum);
  }

  const paperBound = (displacement, sigma) => (2 * displacement) / (sigma * ROOT_E);
  const ourBound = (displacement, sigma) => -2 * Math.expm1(-(displacement ** 2) / (2 * sigma ** 2));

  Object.assign(vgf, {
    followed, value, values, scores, topFrom, lipschitz, medianBandwidth, kernelTotalOwn, mmd2, direction, forces,
    step, directionBound, adamStepBound, paperBound, ourBound,
  });
})((window.vgfExplorer ??= {}));

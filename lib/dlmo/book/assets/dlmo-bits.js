// The bits of a number: each a button, in FP32 and FP16; the same words as `report/bits.py`.
(function () {
  "use strict";

  const view = new DataView(new ArrayBuffer(4));

  function toBits(number) {
    view.setFloat32(0, number);
    return view.getUint32(0).toString(2).padStart(32, "0");
  }

  function fromBits(text, exponentBits, mantissaBits) {
    const sign = text[0] === "1" ? -1 : 1;
    const exponent = parseInt(text.slice(1, 1 + exponentBits), 2);
    const mantissa = parseInt(text.slice(1 + exponentBits), 2);
    const bias = 2 ** (exponentBits - 1) - 1;
    if (exponent === 2 ** exponentBits - 1) return mantissa ? NaN : sign * Infinity;
    const share = mantissa / 2 ** mantissaBits;
    if (exponent === 0) return sign * share * 2 ** (1 - bias);
    return sign * (1 + share) * 2 ** (exponent - bias);
  }

  function halfToEven(value) {
    const low = Math.floor(value);
    const rest = value - low;
    if (rest !== 0.5) return rest > 0.5 ? low + 1 : low;
    return low % 2 ? low + 1 : low;
  }

  // Rounds to FP16; a mantissa that overflows carries into the exponent, up to infinity.
  function toHalf(number) {
    const sign = number < 0 || Object.is(number, -0) ? "1" : "0";
    const size = Math.abs(Math.fround(number));
    if (Number.isNaN(size)) return "0111111000000000";
    if (size === Infinity) return sign + "111110000000000";
    const power = size === 0 ? -14 : Math.max(-14, Math.floor(Math.log2(size)));
    let units = halfToEven(size / 2 ** (power - 10));
    if (size >= 2 ** -14) units += (power + 14) * 1024;
    return sign + Math.min(units, 31744).toString(2).padStart(15, "0");
  }

  function digits(number, count) {
    return String(Number(number.toPrecision(count)));
  }

  function raised(power) {
    return String(power).replace(/./g, (sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]);
  }

  function said(text, exponentBits, mantissaBits) {
    const exponent = parseInt(text.slice(1, 1 + exponentBits), 2);
    const mantissa = parseInt(text.slice(1 + exponentBits), 2);
    const number = fromBits(text, exponentBits, mantissaBits);
    if (Number.isNaN(number)) return "not a number";
    if (!Number.isFinite(number)) return (number < 0 ? "−" : "") + "infinite";
    const power = Math.max(exponent, 1) - (2 ** (exponentBits - 1) - 1);
    const value = digits(number, exponentBits === 8 ? 9 : 6);
    const first = exponent === 0 ? 0 : 1;
    const factor = `${first} + ${mantissa}/${2 ** mantissaBits}`;
    return `(${factor}) × 2${raised(power)} = ${value.replaceAll("-", "−")}`;
  }

  const PARTS = ["sign", "exponent", "mantissa"];

  function fill(row, text) {
    row.querySelectorAll(".dlmo-bits-line > span > *").forEach(function (bit, place) {
      if (bit.textContent === text[place]) return;
      bit.textContent = text[place];
      if (bit.tagName === "BUTTON") bit.setAttribute("aria-pressed", text[place] === "1");
    });
  }

  function makeButtons(row, changed) {
    const buttons = [];
    PARTS.forEach(function (part) {
      const group = row.querySelector(".dlmo-bits-" + part);
      [...group.children].forEach(function (bit, place, all) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = bit.textContent;
        button.setAttribute("aria-pressed", bit.textContent === "1");
        button.title = part === "sign" ? part : `${part}, bit ${all.length - 1 - place}`;
        button.addEventListener("click", function () {
          changed(buttons.map((one) => (one === button ? 1 - one.textContent : one.textContent)).join(""));
        });
        bit.replaceWith(button);
        buttons.push(button);
      });
    });
    arrows(buttons);
  }

  // One stop of the tab key a row; arrows go from bit to bit.
  function arrows(buttons) {
    buttons.forEach(function (button, place) {
      button.tabIndex = place === 0 ? 0 : -1;
      button.addEventListener("keydown", function (event) {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const next = step && buttons[place + step];
        if (!next) return;
        event.preventDefault();
        buttons.forEach((one) => (one.tabIndex = one === next ? 0 : -1));
        next.focus();
      });
    });
  }

  function begin(whole) {
    const input = whole.querySelector("input");
    const [single, half] = whole.querySelectorAll("[data-exponent]");
    const rule = whole.querySelector("[data-rule]");

    function show(number, text) {
      const full = text ?? toBits(number);
      const short = toHalf(number);
      fill(single, full);
      fill(half, short);
      fill(rule, full[0] + full.slice(1, 7) + full.slice(9, 19));
      single.querySelector(".dlmo-bits-said").textContent = said(full, 8, 23);
      half.querySelector(".dlmo-bits-said").textContent = said(short, 5, 10);
    }

    function write(number) {
      input.value = Object.is(number, -0) ? "-0" : digits(number, 9);
      input.removeAttribute("aria-invalid");
    }

    input.disabled = false;
    input.addEventListener("input", function () {
      const number = Number(input.value.replace(",", ".").replace("−", "-"));
      const valid = input.value.trim() !== "" && !Number.isNaN(number);
      input.setAttribute("aria-invalid", !valid);
      if (valid) show(number);
    });
    makeButtons(single, function (text) {
      const number = fromBits(text, 8, 23);
      write(number);
      show(number, text);
    });
    makeButtons(half, function (text) {
      const number = fromBits(text, 5, 10);
      write(number);
      show(number);
      fill(half, text);
      half.querySelector(".dlmo-bits-said").textContent = said(text, 5, 10);
    });
    whole.querySelectorAll("[data-exponent] .dlmo-bits-said").forEach((one) => one.setAttribute("aria-live", "polite"));
    whole.dataset.ready = "true";
  }

  document.querySelectorAll(".dlmo-bits").forEach(begin);
})();

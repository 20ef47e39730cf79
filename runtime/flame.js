// SPDX-License-Identifier: Apache-2.0
// What makes a flame graph answer: a click on a frame zooms to it, the box searches, Reset undoes.
// A frame's numbers: data-b, how much stands before it, and data-n, how much it is; of data-total.
(function () {
	'use strict';
	var svg = document.querySelector('svg');
	var frames = Array.prototype.slice.call(svg.querySelectorAll('.f'));
	var total = +svg.dataset.total, margin = +svg.dataset.margin, letter = +svg.dataset.char;
	var width = svg.viewBox.baseVal.width - 2 * margin, info = svg.getElementById('info');
	var plain = info.textContent;

	function nameOf(f) {
		return f.querySelector('title').textContent.replace(/( \[kernel\])? \([0-9]+, [0-9.]+%\)$/, '');
	}

	function show(f, from, size) {
		var b = +f.dataset.b, n = +f.dataset.n, left = Math.max(b, from), right = Math.min(b + n, from + size);
		var x = margin + (left - from) / size * width, w = (right - left) / size * width;
		var rect = f.querySelector('rect'), text = f.querySelector('text'), name = nameOf(f);
		var room = Math.floor((w - 6) / letter);

		f.style.display = right > left ? '' : 'none';
		f.classList.toggle('past', n > size);
		if (right <= left)
			return;
		rect.setAttribute('x', x);
		rect.setAttribute('width', w);
		text.setAttribute('x', x + 3);
		text.textContent = room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 2) + '..';
	}

	function zoom(from, size) {
		frames.forEach(function (f) { show(f, from, size); });
	}

	// What is found, each part of the whole counted once however many of its frames match.
	function search(text) {
		var spans = [], sum = 0, end = 0, match;

		try {
			match = text ? new RegExp(text) : null;
		} catch (e) {
			info.textContent = 'not a regular expression: ' + text;
			return;
		}
		frames.forEach(function (f) {
			var found = !!match && match.test(nameOf(f));

			f.classList.toggle('found', found);
			if (found)
				spans.push([+f.dataset.b, +f.dataset.b + +f.dataset.n]);
		});
		spans.sort(function (x, y) { return x[0] - y[0] || y[1] - x[1]; });
		spans.forEach(function (s) {
			sum += Math.max(0, s[1] - Math.max(s[0], end));
			end = Math.max(end, s[1]);
		});
		info.textContent = match ? sum + ' of ' + total + ' match (' + (100 * sum / total).toFixed(2) + '%)' : plain;
	}

	function add(parent, space, name, attributes) {
		var e = parent.appendChild(document.createElementNS(space, name));

		Object.keys(attributes).forEach(function (k) { e.setAttribute(k, attributes[k]); });
		return e;
	}

	var box = add(svg, svg.namespaceURI, 'foreignObject', { x: width - 260, y: 8, width: 200, height: 26 });
	var input = add(box, 'http://www.w3.org/1999/xhtml', 'input',
		{ id: 'search', placeholder: 'search', style: 'width:190px;font:11px monospace' });
	var reset = add(svg, svg.namespaceURI, 'text', { id: 'reset', 'class': 'b', x: width - 40, y: 23 });

	reset.textContent = 'Reset';
	reset.addEventListener('click', function () {
		input.value = '';
		search('');
		zoom(0, total);
	});
	input.addEventListener('input', function () { search(input.value); });
	frames.forEach(function (f) {
		f.addEventListener('click', function () { zoom(+f.dataset.b, +f.dataset.n); });
	});
})();

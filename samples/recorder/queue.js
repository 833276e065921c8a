// SPDX-License-Identifier: MIT
// The shop's message queue, kept by the recorder. Uses fetch(), which is not instrumented here: the
// queue is seen in traces only through the PRODUCER and CONSUMER spans around it.
'use strict';
const queues = `${process.env.SHOP_RECEIVER}/queue`;

exports.send = async (queue, message) => {
  await fetch(`${queues}/${queue}`, { method: 'POST', body: JSON.stringify(message) });
};

exports.receive = async (queue, most) => {
  const response = await fetch(`${queues}/${queue}?most=${most}`);
  return response.json();
};

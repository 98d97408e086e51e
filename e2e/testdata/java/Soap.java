import com.sun.xml.ws.client.ClientTransportException;
import java.net.URL;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.function.Function;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.xml.namespace.QName;
import javax.xml.soap.MessageFactory;
import javax.xml.soap.SOAPElement;
import javax.xml.soap.SOAPException;
import javax.xml.soap.SOAPFault;
import javax.xml.soap.SOAPMessage;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.Dispatch;
import javax.xml.ws.Service;
import javax.xml.ws.handler.MessageContext;
import javax.xml.ws.soap.SOAPFaultException;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Makes a few calls with JAX-WS, which knows nothing but the address of a WSDL. Prints a line of JSON for each: {"step", "result"}
 * or {"step", "fault"}.
 *
 * Arguments: WSDL, user, key. A proxy and an authority come from the properties https.proxyHost and javax.net.ssl.trustStore.
 */
public class Soap {
    static final String NS = "http://www.marketo.com/mktows/";
    static final QName SERVICE = new QName(NS, "MktMktowsApiService"), PORT = new QName(NS, "MktowsApiSoapPort");

    static String user, key;
    static Dispatch<SOAPMessage> port;

    public static void main(String[] args) throws Exception {
        user = args[1];
        key = args[2];
        port = Service.create(new URL(args[0]), SERVICE).createDispatch(PORT, SOAPMessage.class, Service.Mode.MESSAGE);

        call("syncLead", "syncLead", Soap::sync, Soap::status, 0, "");
        call("getLead", "getLead", by("toolkit@example.com"), Soap::lead, 0, "");
        call("unknown", "getLead", by("nobody@example.com"), Soap::lead, 0, "");
        call("expired", "getLead", by("toolkit@example.com"), Soap::lead, 3600, "");
        call("reset", "getLead", by("toolkit@example.com"), Soap::lead, 0, "reset");
        call("partial", "syncLead", Soap::sync, Soap::status, 0, "partial");
        Object address = port.getRequestContext().get(BindingProvider.ENDPOINT_ADDRESS_PROPERTY);
        System.out.println("{\"step\": \"location\", \"result\": " + json(Map.of("url", address.toString())) + "}");
    }

    interface Params {
        void write(SOAPElement params) throws SOAPException;
    }

    static void call(String step, String operation, Params params, Function<Element, Map<String, String>> read, long age, String fail)
            throws Exception {
        SOAPMessage message = MessageFactory.newInstance().createMessage();
        String timestamp = OffsetDateTime.now(ZoneOffset.UTC).minusSeconds(age).format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ssxxx"));
        SOAPElement header = message.getSOAPHeader().addHeaderElement(new QName(NS, "AuthenticationHeader", "mkt"));
        text(header, "mktowsUserId", user);
        text(header, "requestSignature", signature(timestamp + user));
        text(header, "requestTimestamp", timestamp);
        String element = "params" + Character.toUpperCase(operation.charAt(0)) + operation.substring(1);
        params.write(message.getSOAPBody().addBodyElement(new QName(NS, element, "mkt")));

        Map<String, Object> context = port.getRequestContext();
        context.put(BindingProvider.SOAPACTION_USE_PROPERTY, true);
        context.put(BindingProvider.SOAPACTION_URI_PROPERTY, NS + operation);
        context.put(MessageContext.HTTP_REQUEST_HEADERS, fail.isEmpty() ? Map.of() : Map.of("Marketo-Emulator-Fail", List.of(fail)));
        String what;
        try {
            what = "\"result\": " + json(read.apply(port.invoke(message).getSOAPBody()));
        } catch (SOAPFaultException e) {
            SOAPFault fault = e.getFault();
            NodeList codes = fault.getElementsByTagName("code");
            Map<String, String> told = new LinkedHashMap<>();
            told.put("class", e.getClass().getSimpleName());
            told.put("code", fault.getFaultCode());
            told.put("text", fault.getFaultString());
            told.put("detail", codes.getLength() == 0 ? "" : codes.item(0).getTextContent());
            what = "\"fault\": " + json(told);
        } catch (ClientTransportException e) { // JAX-WS reads a fault from a 500 only; of any other status it tells no more than this
            what = "\"fault\": " + json(Map.of("class", e.getClass().getSimpleName(), "text", e.getMessage()));
        }
        System.out.println("{\"step\": \"" + step + "\", " + what + "}");
    }

    static String signature(String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA1");
        mac.init(new SecretKeySpec(key.getBytes("US-ASCII"), "HmacSHA1"));
        StringBuilder hex = new StringBuilder();
        for (byte b : mac.doFinal(text.getBytes("US-ASCII"))) {
            hex.append(String.format("%02x", b));
        }
        return hex.toString();
    }

    static void text(SOAPElement parent, String name, String value) throws SOAPException {
        parent.addChildElement(name).addTextNode(value);
    }

    static Params by(String email) {
        return params -> {
            SOAPElement lead = params.addChildElement("leadKey");
            text(lead, "keyType", "EMAIL");
            text(lead, "keyValue", email);
        };
    }

    static void sync(SOAPElement params) throws SOAPException {
        SOAPElement lead = params.addChildElement("leadRecord");
        text(lead, "Email", "toolkit@example.com");
        SOAPElement attribute = lead.addChildElement("leadAttributeList").addChildElement("attribute");
        text(attribute, "attrName", "FirstName");
        text(attribute, "attrValue", "Grace & Co");
        text(params, "returnLead", "false");
    }

    static String first(Element in, String name) {
        return in.getElementsByTagName(name).item(0).getTextContent();
    }

    static Map<String, String> lead(Element answer) {
        Map<String, String> read = new LinkedHashMap<>();
        read.put("id", first(answer, "Id"));
        read.put("email", first(answer, "Email"));
        NodeList attributes = answer.getElementsByTagName("attribute");
        for (int i = 0; i < attributes.getLength(); i++) {
            Element attribute = (Element) attributes.item(i);
            read.put(first(attribute, "attrName"), first(attribute, "attrValue"));
        }
        return read;
    }

    static Map<String, String> status(Element answer) {
        return Map.of("status", first(answer, "status"), "leadId", first(answer, "leadId"));
    }

    static String json(Map<String, String> object) {
        StringJoiner members = new StringJoiner(", ", "{", "}");
        object.forEach((k, v) -> members.add("\"" + k + "\": \"" + v.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\""));
        return members.toString();
    }
}
